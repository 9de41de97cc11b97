"""How quick the page is on a large farm, in a real browser:

    .venv/bin/python -m tests.dashboard.measure [--jobs 10000] [--workers 1000]

A farm is filled and served; Chromium opens each page anew. Printed as a table of Markdown, for `docs/performance.md`:

- *first content*: from navigation until the first row, tile or picture of the page stands in the document;
- *whole*: until the page has read all there is;
- *longest task*: of the main thread while the page opens; *longest update*: while things change. In processor time,
  from Chromium's trace: they do not depend on what else the machine does. The first two are by the clock, and do.

It measures and asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from chalicelib.bootstrap import embedded_farm
from chalicelib.config import Settings
from chalicelib.core import jobs, workers
from millrace import Farm
from tests.dashboard.browsing import FLAGS
from tests.together.ensemble import Ensemble

CHANGES_SECONDS = 12
PLACES = {
    "jobs": ".row-space > .row",
    "workers": ".row-space > .row",
    "farm": ".tile, .empty h2",
    "pictures": ".frame, .empty h2",
    "submit": ".types a",
    "settings": ".card",
}
"""What the first content of each page is."""
WATCH = """
const first = () => {
  const seen = document.querySelector(window.firstContent);
  if (seen) window.firstAt ??= performance.now();
  else requestAnimationFrame(first);
};
requestAnimationFrame(first);
"""
TRACED = ["toplevel", "devtools.timeline"]


def main() -> None:
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--jobs", type=int, default=10_000)
    wanted.add_argument("--workers", type=int, default=1_000)
    wanted.add_argument("--data", type=Path, help="keep the filled farm here, and take it from here the next time")
    options = wanted.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(options.data or Path(folder), options.jobs, options.workers) as farm,
    ):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
            print(f"{options.jobs:,} jobs of ten tasks, {options.workers:,} workers\n")
            print("| page | first content | whole | longest task | longest update |\n|---|---|---|---|---|")
            for place, content in PLACES.items():
                print(measured(browser, farm, place, content), flush=True)


@contextmanager
def serving(folder: Path, num_jobs: int, num_workers: int) -> Iterator[Farm]:
    ensemble = Ensemble(folder, {})
    if not ensemble.server.data.exists():
        fill(ensemble.server.data, num_jobs, num_workers)
    ensemble.start()
    try:
        yield ensemble.farm
    finally:
        ensemble.end()


def fill(data: Path, num_jobs: int, num_workers: int) -> None:
    farm = embedded_farm(Settings(data=data))
    settings = {"frames": "1-10", "command": ["true", "{frame}"]}
    types = ("exec", "sleep", "transcode", "blender-render", "file-management", "video-encoding")

    def submit(number: int) -> None:
        jobs.submit(farm, jobs.Submission(f"shot {number:05}", "frames", settings, priority=number % 90))

    def register(number: int) -> None:
        tags = ("gpu",) if number % 3 else ("cpu", "linux")
        workers.register(farm, workers.Description(f"render-{number:04}", types, tags=tags), with_secret=True)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(submit, range(num_jobs)))
        list(pool.map(register, range(num_workers)))
    farm.table.close()


def measured(browser: Browser, farm: Farm, place: str, content: str) -> str:
    """A row of the table."""
    with browser.new_context(viewport={"width": 1600, "height": 1000}) as context:
        page = context.new_page()
        page.add_init_script(f"window.firstContent = {content!r};{WATCH}")
        browser.start_tracing(page=page, categories=TRACED)
        begun = time.monotonic()
        page.goto(f"{farm.url}/#/{place}")
        page.wait_for_selector(content)
        page.wait_for_load_state("networkidle")
        whole = time.monotonic() - begun - 0.5  # that is how long the network has to be idle
        opening = longest_task(browser)
        first = page.evaluate("window.firstAt") / 1000
        updating = f"{longest_update(browser, page, farm):.0f} ms" if place in ("jobs", "workers") else ""
    return f"| {place} | {first:.2f} s | {whole:.1f} s | {opening:.0f} ms | {updating} |"


def longest_update(browser: Browser, page: Page, farm: Farm) -> float:
    """While jobs change and workers are asked to sleep, some each second."""
    ended = threading.Event()

    def change() -> None:
        found, machines = farm.jobs(), farm.workers()
        while not ended.wait(0.2):
            farm.update(next(found), priority=99)
            farm.set_worker_status(next(machines), "asleep")

    browser.start_tracing(page=page, categories=TRACED)
    thread = threading.Thread(target=change)
    thread.start()
    page.wait_for_timeout(CHANGES_SECONDS * 1000)
    ended.set()
    thread.join()
    return longest_task(browser)


def longest_task(browser: Browser) -> float:
    """Milliseconds of processor time, of the main threads of pages."""
    events = json.loads(browser.stop_tracing())["traceEvents"]
    mains = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    return max((e["tdur"] for e in events if "tdur" in e and (e["pid"], e["tid"]) in mains), default=0) / 1000


if __name__ == "__main__":
    main()
