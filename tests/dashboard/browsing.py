"""Debian's Chromium on a real farm. What a page complains of to its console fails the test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

FLAGS = (
    "--headless",
    "--no-sandbox",  # as root, as CI runs
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing but the test's own requests."""
PATIENCE_MILLISECONDS = 40_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)
SERIOUS = ("serious", "critical")
SETTLED = """() => {
  const { dataset, ariaBusy } = document.getElementById("content");
  const cannot = document.body.classList.contains("signed-out") || !document.getElementById("banner").hidden;
  return cannot || (dataset.place === location.hash && ariaBusy !== "true");
}"""
"""The page has noticed where it is to be and read what stands there; or says why it cannot."""
PAGES = ("jobs", "workers", "pictures", "farm", "submit", "submit/frames", "settings")


@contextmanager
def page_of(
    browser: Browser,
    url: str,
    *,
    theme: str = "light",
    width: int = 1280,
    height: int = 800,
    may_complain_of: str | None = None,
) -> Iterator[Page]:
    """A page on the farm, in a browser that knows nothing yet. `may_complain_of`: a test's own doing."""
    said: list[str] = []
    with browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        base_url=url,
    ) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("console", lambda message: said.append(message.text) if _is_complaint(message) else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto("/")
        yield page
    complaints = [text for text in said if may_complain_of is None or may_complain_of not in text]
    assert not complaints, complaints


def _is_complaint(message: ConsoleMessage) -> bool:
    """Chromium also notes every answer that says no to a person; those are shown on the page."""
    if "/last-rendered" in message.location["url"]:
        return False  # a job of which no worker has made a small picture
    return message.type == "error" and not re.search(r"status of (400|401|409|412) ", message.text)


def goto(page: Page, place: str) -> None:
    """To a place within the page, as a click on a link goes there; back when it has drawn what it shows."""
    page.goto(f"/#/{place}")
    page.wait_for_function(SETTLED)
    page.wait_for_load_state("networkidle")  # pictures too


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text()


def obstacles(page: Page) -> list[str]:
    """What axe-core finds on the page as it is now, as far as it is serious: rule and place of each."""
    if not page.evaluate("'axe' in window"):
        # Not as a <script>: the page's own policy would refuse it.
        page.evaluate(_axe())
    found: dict[str, Any] = page.evaluate("axe.run()")
    assert found["passes"], "axe looked at nothing"
    return [
        f"{violation['id']}: {node['html'][:200]} ({node.get('failureSummary', '')[:200]})"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]
