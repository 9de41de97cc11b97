"""What goes wrong while somebody is at the page: calls that fail, answers that are lost, others' changes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.dashboard.browsing import PATIENCE_MILLISECONDS, goto, page_of
from tests.together.ensemble import Ensemble

expect.set_options(timeout=PATIENCE_MILLISECONDS)
pytestmark = pytest.mark.needs("chromium")
VARIABLES = "/api/v1/variables"
TROUBLE = "status of 500"


def fail(route: Route) -> None:
    route.fulfill(status=500, json={"detail": "the farm is unwell"})


def variable(value: str) -> dict[str, object]:
    return {"direction": "oneway", "values": [{"value": value, "audience": "all", "platforms": []}]}


def variables(page: Page) -> list[str]:
    return sorted(page.request.get(VARIABLES).json()["variables"])


def test_variables_that_were_not_read_are_not_replaced(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url, may_complain_of=TROUBLE) as page:
        page.request.put(VARIABLES, data={"variables": {"blender": variable("/opt/blender")}})
        page.route(f"**{VARIABLES}", fail)
        goto(page, "settings")
        form = page.locator("form", has=page.get_by_role("heading", name="Variables"))
        expect(form.get_by_text("the farm is unwell")).to_be_visible()
        expect(form.get_by_role("button", name="Save the variables")).to_be_disabled()
        expect(form.get_by_role("button", name="Add a line")).to_be_disabled()
        page.unroute_all()
        form.get_by_role("button", name="Try again").click()
        expect(form.get_by_label("Value")).to_have_value("/opt/blender")
        form.get_by_role("button", name="Add a line").click()
        form.get_by_label("Name").last.fill("ffmpeg")
        form.get_by_role("button", name="Save the variables").click()
        expect(page.get_by_text("Variables saved.")).to_be_visible()
        assert variables(page) == ["blender", "ffmpeg"]


def test_variables_that_somebody_else_changed_meanwhile_are_not_replaced(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url) as page:
        page.request.put(VARIABLES, data={"variables": {"blender": variable("/opt/blender")}})
        goto(page, "settings")
        form = page.locator("form", has=page.get_by_role("heading", name="Variables"))
        expect(form.get_by_label("Value")).to_have_value("/opt/blender")
        page.request.put(VARIABLES, data={"variables": {"blender": variable("/opt/blender"), "nuke": variable("/n")}})
        form.get_by_label("Value").fill("/usr/bin/blender")
        form.get_by_role("button", name="Save the variables").click()
        expect(form.get_by_text("nothing was saved")).to_be_visible()
        assert variables(page) == ["blender", "nuke"]
        form.get_by_role("button", name="Read them again").click()
        expect(form.get_by_label("Value")).to_have_count(2)
        form.get_by_role("button", name="Save the variables").click()
        expect(page.get_by_text("Variables saved.")).to_be_visible()
