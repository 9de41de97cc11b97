"""Names, errors and logs that are markup: the page shows them as the text they are."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browsing import goto, page_of
from tests.together.ensemble import Ensemble

pytestmark = pytest.mark.needs("chromium")
MARKUP = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\'"&amp;'
PLANTED = "img[src=x], script:not([src]), [onerror], a[href^='javascript:']"


def test_markup_in_names_and_logs_is_text_on_every_page(browser: Browser, tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path, {}).start()
    try:
        ensemble.worker("node1")
        commands = [
            {"name": "exec", "settings": {"argv": ["sh", "-c", f"cat <<'END'\n{MARKUP}\nError: {MARKUP}\nEND\nexit 3"]}}
        ]
        tasks = [{"name": MARKUP, "task_type": "exec", "commands": commands}]
        job = ensemble.farm.submit("commands", {"tasks": tasks}, name=MARKUP, max_retries=0, tags=[])
        ensemble.farm.wait(job, timeout=60)
        worker = registered(ensemble.server.url)
        [task] = ensemble.farm.tasks(job)
        with page_of(browser, ensemble.server.url) as page:
            for place in (
                "jobs",
                f"jobs/{job.id}",
                f"tasks/{task.id}",
                "workers",
                f"workers/{worker}",
                "farm",
                "pictures",
            ):
                goto(page, place)
                expect(page.get_by_role("heading", level=1).first).to_be_visible()
                if place not in ("farm", "pictures"):
                    expect(page.get_by_text(MARKUP).first).to_be_visible()
                assert page.locator(PLANTED).count() == 0, place
                assert page.evaluate("window.hit") is None, place
    finally:
        print(ensemble.end())


def registered(url: str) -> str:
    """A worker of that name; its id."""
    about = {
        "name": MARKUP,
        "task_types": ["sleep"],
        "tags": [MARKUP],
        "slots": 1,
        "platform": "linux",
        "software": MARKUP,
    }
    body = json.dumps({"runtime": ["bash"], "worker": about}).encode()
    request = Request(f"{url}/worker", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=20) as answer:
        return str(json.load(answer)["id"])
