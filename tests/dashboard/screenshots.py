"""Pictures of every page, light and dark, for `docs/screenshots/`:

    .venv/bin/python -m tests.dashboard.screenshots

A farm with two workers is started for it, and given jobs as they might be on an afternoon; and one that wants a token.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from millrace import Farm
from tests.dashboard.browsing import FLAGS, goto, page_of
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
THEMES = ("light", "dark")
PICTURES = {
    "sunset sky": "gradients=s=640x360:c0=orange:c1=purple:x0=0:y0=0:x1=640:y1=360",
    "test pattern": "testsrc2=s=640x360",
    "colour chart": "smptehdbars=s=640x360",
    "fractal zoom": "mandelbrot=s=640x360",
}
LOG = (
    "for n in $(seq 400); do echo Fra:$n Mem:412M Sample 64/64; "
    "[ $n = 9 ] && echo Error: no texture wood.png; sleep 1; done"
)


def main() -> None:
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        ensemble = Ensemble(Path(folder) / "open", {}).start()
        closed = Ensemble(Path(folder) / "closed", {}, ["--auth", "token"]).start()
        try:
            for name in ("render-01", "render-02"):
                ensemble.worker(name)
            with sync_playwright() as playwright:
                path = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
                places = afternoon(ensemble.farm)
                for theme in THEMES:
                    with page_of(browser, ensemble.server.url, theme=theme) as page:
                        for name, place in places.items():
                            shoot(page, name, place, theme)
                    with page_of(browser, closed.server.url, theme=theme) as page:
                        shoot(page, "signin", "jobs", theme)
        finally:
            closed.end()
            ensemble.end()


def shoot(page: Page, name: str, place: str, theme: str) -> None:
    goto(page, place)
    page.wait_for_timeout(1500)  # charts and pictures draw themselves after the network is quiet
    page.screenshot(path=FOLDER / f"{name}-{theme}.png")


def afternoon(farm: Farm) -> dict[str, str]:
    """Jobs in every state; where each page is."""
    for name, source in PICTURES.items():
        output = f"{{output}}/{name.replace(' ', '_')}_{{frame}}.png"
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1", output]
        farm.submit("frames", {"frames": "1-3", "command": command}, name=name)
    farm.submit("commands", {"tasks": [task("check", "exit 3")]}, name="plate check", max_retries=0)
    until(lambda: not any(farm.jobs("queued")) and not any(farm.jobs("active")), "all pictures", 90)
    chatty = farm.submit("commands", {"tasks": [task("beauty pass", LOG)]}, name="robot walk, shot 40", priority=80)
    long = farm.submit(
        "frames", {"frames": "1-2400", "command": ["sleep", "0.{frame}"]}, name="city flyover", priority=60
    )
    for number in (10, 20, 30):
        farm.submit("frames", {"frames": "1-240", "command": ["sleep", "{frame}"]}, name=f"forest, shot {number}")
    farm.pause(farm.submit("frames", {"frames": "1-96", "command": ["sleep", "{frame}"]}, name="crowd simulation"))
    farm.cancel(farm.submit("frames", {"frames": "1-12", "command": ["sleep", "{frame}"]}, name="wrong camera"))
    until(lambda: farm.job(long.id).counts["completed"] > 30, "some frames", 90)
    until(lambda: list(farm.tasks(chatty))[0].status == "active", "a running task", 30)
    [running] = farm.tasks(chatty)
    worker = next(iter(farm.workers()))
    return {
        "jobs": "jobs",
        "job": f"jobs/{long.id}",
        "task": f"tasks/{running.id}",
        "workers": "workers",
        "worker": f"workers/{worker.id}",
        "pictures": "pictures",
        "farm": "farm",
        "submit": "submit/blender-render",
        "settings": "settings",
    }


def task(name: str, script: str) -> dict[str, object]:
    commands = [{"name": "exec", "settings": {"cmd": f"sh -c '{script}'"}}]
    return {"name": name, "task_type": "exec", "commands": commands}


if __name__ == "__main__":
    main()
