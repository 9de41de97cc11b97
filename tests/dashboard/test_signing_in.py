"""A farm with tokens asks for one, and shows what it allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from millrace import Farm
from tests.dashboard.browsing import FLAGS, goto, obstacles, page_of
from tests.together.ensemble import Ensemble

pytestmark = pytest.mark.needs("chromium")
CLICK_A_DOWNLOAD = """
blob => {
  const link = document.createElement("a");
  link.href = `/api/v1/blobs/${blob}/content`;
  link.download = "file";
  link.click();
}
"""


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    one = Ensemble(tmp_path_factory.mktemp("closed"), {}, ["--auth", "token"]).start()
    yield one
    print(one.end())


def test_a_viewer_signs_in_sees_no_buttons_and_signs_out(browser: Browser, closed: Ensemble, tmp_path: Path) -> None:
    farm = Farm(closed.server.url, closed.server.admin_token)
    viewer = farm.make_token("anna", ["submit"]).text or ""
    (tmp_path / "code").write_text("print(1)")
    settings = {"runtime": "python3", "code": farm.upload(tmp_path / "code")}
    job = farm.submit("function", settings, name="hers")
    with page_of(browser, closed.server.url) as page:
        field = page.get_by_label("Token")
        field.fill("mr_wrong")
        field.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("does not know this token")
        assert obstacles(page) == []
        field.fill(viewer)
        field.press("Enter")
        expect(page.get_by_role("link", name="hers")).to_be_visible()
        expect(page.get_by_text("anna")).to_be_visible()
        expect(page.get_by_role("checkbox")).to_have_count(0)
        assert page.evaluate("document.cookie") == ""
        goto(page, f"jobs/{job.id}")
        expect(page.get_by_role("heading", name="hers")).to_be_visible()
        for action in ("Pause", "Cancel", "Delete"):
            expect(page.get_by_role("button", name=action, exact=True)).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_visible()
        expect(page.get_by_text("hers")).to_have_count(0)


def test_a_link_to_a_file_works_for_who_is_signed_in(browser: Browser, closed: Ensemble, tmp_path: Path) -> None:
    farm = Farm(closed.server.url, closed.server.admin_token)
    (tmp_path / "bytes").write_text("content")
    blob = farm.upload(tmp_path / "bytes")
    with page_of(browser, closed.server.url) as page:
        page.get_by_label("Token").fill(closed.server.admin_token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
        with page.expect_download() as started:
            page.evaluate(CLICK_A_DOWNLOAD, blob)
        assert Path(started.value.path()).read_text() == "content"


@pytest.fixture
def plain(browser: Browser, closed: Ensemble, require_program: Callable[[str], str]) -> Iterator[Page]:
    """An administrator's page of the farm at http://farm.lan: less to a browser than loopback or https."""
    flags = [*FLAGS, "--host-resolver-rules=MAP farm.lan 127.0.0.1", "--no-proxy-server"]
    elsewhere = browser.browser_type.launch(executable_path=require_program("chromium"), args=flags)
    try:
        with page_of(elsewhere, closed.server.url.replace("127.0.0.1", "farm.lan")) as page:
            assert not page.evaluate("isSecureContext")
            page.get_by_label("Token").fill(closed.server.admin_token)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
            yield page
    finally:
        elsewhere.close()


def test_downloads_work_at_plain_http_too_where_browsers_say_not_who_asks(
    plain: Page, closed: Ensemble, tmp_path: Path
) -> None:
    farm = Farm(closed.server.url, closed.server.admin_token)
    (tmp_path / "bytes").write_text("content")
    blob = farm.upload(tmp_path / "bytes")
    with plain.expect_download() as started:
        plain.evaluate(CLICK_A_DOWNLOAD, blob)
    assert Path(started.value.path()).read_text() == "content"


def test_at_plain_http_where_browsers_copy_nothing_the_line_for_a_machine_is_made_too(plain: Page) -> None:
    goto(plain, "workers")
    plain.get_by_role("button", name="Add a worker").first.click()
    plain.get_by_role("button", name="Make the line").click()
    expect(plain.get_by_role("dialog").locator("pre").first).to_be_focused()
    expect(plain.locator(".toast")).to_have_count(0)


def test_what_goes_wrong_in_a_dialog_is_said_where_it_can_be_read_and_clicked(plain: Page) -> None:
    goto(plain, "workers")
    plain.get_by_role("button", name="Add a worker").first.click()
    plain.route("**/api/v1/join-tokens", lambda route: route.fulfill(status=409, json={"detail": "not now"}))
    plain.get_by_role("button", name="Make the line").click()
    expect(plain.get_by_role("dialog").get_by_text("not now")).to_be_visible()
    plain.get_by_role("dialog").get_by_role("button", name="Dismiss").click()
    expect(plain.get_by_text("not now")).to_have_count(0)


def test_who_is_signed_out_by_a_revoked_token_types_the_next_one_in_peace(browser: Browser, closed: Ensemble) -> None:
    farm = Farm(closed.server.url, closed.server.admin_token)
    token = farm.make_token("guest", ["submit"])
    with page_of(browser, closed.server.url) as page:
        page.get_by_label("Token").fill(token.text or "")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("guest")).to_be_visible()
        farm.revoke_token(token.id)
        expect(page.get_by_label("Token")).to_be_visible()
        page.get_by_label("Token").fill("mr_half")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(6000)  # three times as long as from one call of the deltas to the next
        expect(page.get_by_label("Token")).to_have_value("mr_half")
        assert asked == []


def test_an_administrator_makes_the_line_that_lets_one_machine_in(browser: Browser, closed: Ensemble) -> None:
    with page_of(browser, closed.server.url) as page:
        page.get_by_label("Token").fill(closed.server.admin_token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
        goto(page, "workers")
        page.get_by_role("button", name="Add a worker").first.click()
        page.get_by_role("button", name="Make the line").click()
        line = page.get_by_role("dialog").locator("pre").first
        expect(line).to_contain_text("--join mrj_")
        assert obstacles(page) == []
        token = line.inner_text().rpartition("--join ")[2].strip()
    farm = Farm(closed.server.url, closed.server.admin_token)
    assert ("join",) in [made.scopes for made in farm.tokens()]
    joined = farm._calls.json(
        "POST", "/join", repeatable=False, json={"token": token, "name": "new", "nonce": "n" * 20}
    )
    assert joined["name"] == "new"
