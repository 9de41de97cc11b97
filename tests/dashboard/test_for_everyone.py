"""No page keeps anybody out: axe-core finds nothing serious, in light and dark, on a wide screen and a narrow one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from tests.dashboard.browsing import PAGES, goto, obstacles, page_of
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

pytestmark = pytest.mark.needs("chromium")
CUT_OFF = """() => {
  const places = [...document.querySelectorAll("nav a, button, [role=columnheader], .status, td, dd, h1, h2")];
  const isCut = (element) => {
    const around = element.closest(".rows, dialog, body").getBoundingClientRect();
    const text = document.createRange();
    text.selectNodeContents(element);
    const { left, right, width } = text.getBoundingClientRect();
    return element.checkVisibility() && width > 0 && (left < around.left - 1 || right > around.right + 1);
  };
  return places.filter((element) => !element.closest("thead") && isCut(element)).map((element) => element.textContent);
}"""
"""What stands beyond the edge of the screen, or of the list that it is in."""


def cut_off(page: Page) -> list[str]:
    """When all is drawn: what comes meanwhile may move things about."""
    with suppress(TimeoutError):
        page.wait_for_function(f"({CUT_OFF})().length === 0", timeout=10_000)
    cut: list[str] = page.evaluate(CUT_OFF)
    return cut


@pytest.fixture(scope="module")
def places(ensemble: Ensemble) -> list[str]:
    """Every page, on a farm where each has something to show."""
    farm = ensemble.farm
    commands = [{"name": "exec", "settings": {"cmd": "sh -c 'echo fine; echo Error: not so fine; exit 3'"}}]
    tasks = [{"name": "one", "task_type": "exec", "commands": commands}]
    job = farm.wait(farm.submit("commands", {"tasks": tasks}, name="failed", max_retries=0), timeout=60)
    frames = {"frames": "1-500", "command": ["true", "{frame}"]}
    farm.pause(farm.submit("frames", frames, name="paused", tags=["nobody has it"]))
    [task], [worker] = farm.tasks(job), farm.workers()
    return [*PAGES, f"jobs/{job.id}", f"tasks/{task.id}", f"workers/{worker.id}"]


@pytest.mark.parametrize("theme, width", [("light", 1280), ("dark", 768), ("light", 360)])
def test_no_page_has_a_serious_obstacle(
    browser: Browser, ensemble: Ensemble, places: list[str], theme: str, width: int
) -> None:
    with page_of(browser, ensemble.server.url, theme=theme, width=width) as page:
        wood = {"direction": "twoway", "values": [{"value": "/mnt/wood", "platforms": [], "audience": "all"}]}
        change = {"variables": {"wood": wood}}
        until(lambda: page.request.put("/api/v1/variables", data=change).ok, "a variable to show", 60)
        found = []
        for place in places:
            goto(page, place)
            expect(page.get_by_role("heading", level=1).first).to_be_visible()
            found += [f"{place}: {obstacle}" for obstacle in obstacles(page)]
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                f"{place} is wider than the screen"
            )
            assert cut_off(page) == [], f"{place}: some of it cannot be seen"
        assert not found, "\n".join(found)


def test_a_page_that_is_still_being_read_keeps_nobody_out(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url, width=360) as page:
        page.route("**/api/v1/{variables,tokens,webhooks,storage,statistics}**", lambda route: None)  # no answer yet
        for place in ("farm", "settings"):
            page.goto(f"/#/{place}")
            expect(page.get_by_role("heading", name=place.title(), level=1)).to_be_visible()
            expect(page.get_by_text("Reading…").first).to_be_visible()
            assert obstacles(page) == [], place


def test_a_question_is_no_obstacle_either(browser: Browser, ensemble: Ensemble, places: list[str]) -> None:
    with page_of(browser, ensemble.server.url) as page:
        goto(page, "jobs")
        page.get_by_label("Mark paused").check()
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_role("dialog")).to_contain_text("500 tasks will not be run")
        assert obstacles(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert ensemble.farm.job(next(ensemble.farm.jobs("paused"))).status == "paused"


EMPTY = {
    "jobs": "Submit one here",
    "workers": "Add a worker",
    "pictures": "No pictures yet",
    "jobs?q=nothing": "No jobs yet",
    "jobs/17": "There is no such job",
    "tasks/17": "There is no such task",
    "workers/17": "There is no such worker",
}
"""What each page says on a farm that has nothing."""


@pytest.mark.parametrize("theme, width", [("light", 360), ("dark", 3840)])
def test_an_empty_farm_says_on_every_page_what_to_do(browser: Browser, tmp_path: Path, theme: str, width: int) -> None:
    empty = Ensemble(tmp_path, {}).start()
    try:
        with page_of(browser, empty.server.url, theme=theme, width=width, may_complain_of="status of 404") as page:
            for place, said in EMPTY.items():
                goto(page, place)
                expect(page.locator("main")).to_contain_text(said)
                assert obstacles(page) == [], place
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
    finally:
        print(empty.end())


def test_what_cannot_be_read_is_said_with_a_way_to_try_again(
    browser: Browser, ensemble: Ensemble, places: list[str]
) -> None:
    """Of `places` it needs that there are jobs."""
    said = {"jobs": "could not be read", "workers": "could not be read", "farm": "could not be read"}
    with page_of(browser, ensemble.server.url, may_complain_of="status of 500") as page:
        page.route(
            "**/api/v1/{jobs,workers,statistics}?**", lambda route: route.fulfill(status=500, json={"detail": "x"})
        )
        for place, words in said.items():
            goto(page, "settings")
            page.goto(f"/#/{place}")
            page.reload()
            expect(page.locator("main")).to_contain_text(words)
            assert obstacles(page) == [], place
        page.unroute_all()
        goto(page, "farm")
        page.reload()
        page.route("**/api/v1/jobs?**", lambda route: route.fulfill(status=500, json={"detail": "x"}))
        goto(page, "jobs")
        page.unroute_all()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("table", name="Jobs")).to_be_visible()
