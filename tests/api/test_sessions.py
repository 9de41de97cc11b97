"""Signing in at the web page: a cookie that counts only where no page but ours can have asked."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest

from chalicelib.core import access
from tests.api.bench import Answer, Bench

OURS = {"X_Millrace_Page": "1"}


@pytest.fixture
def closed(bench: Bench) -> Bench:
    bench.serve(auth="token")
    return bench


def sign_in(bench: Bench, token: str, **headers: str) -> Answer:
    return bench.call("POST", "/session", {"token": token}, **headers)


def cookie_of(answer: Answer) -> str:
    [(name, morsel)] = SimpleCookie(answer.headers["Set-Cookie"]).items()
    return f"{name}={morsel.value}"


def test_a_token_becomes_a_cookie_that_scripts_cannot_read(closed: Bench) -> None:
    answer = sign_in(closed, closed.token("submit"))
    assert (answer.status, answer.body, answer.headers["Cache-Control"]) == (204, b"", "no-store")
    [morsel] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["secure"]) == (True, "Strict", "/", "")


def test_behind_https_the_cookie_stays_there(closed: Bench) -> None:
    answer = sign_in(closed, closed.token("submit"), X_Forwarded_Proto="https")
    [morsel] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert morsel["secure"] is True


@pytest.mark.parametrize("wrong", ["mr_wrong", "mr_wröng", "a;b", "x" * 200])
def test_a_wrong_token_becomes_nothing(closed: Bench, wrong: str) -> None:
    answer = sign_in(closed, wrong)
    assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)


def test_with_the_cookie_and_the_header_one_is_who_the_token_says(closed: Bench) -> None:
    cookie = cookie_of(sign_in(closed, closed.token("operate")))
    who = closed.get("/session", Cookie=cookie, **OURS)
    assert who == {"name": "tester", "scopes": ["operate", "submit"], "auth": "token"}
    assert closed.get("/jobs", Cookie=f"other=1; {cookie}", **OURS)["items"] == []


def test_the_cookie_alone_opens_nothing(closed: Bench) -> None:
    """A foreign page can make a browser send it, but not with our header."""
    cookie = cookie_of(sign_in(closed, closed.token("admin")))
    for site in ("cross-site", "same-site", "none"):
        assert closed.call("GET", "/jobs", Cookie=cookie, Sec_Fetch_Site=site).status == 401
    assert closed.call("GET", "/jobs", Cookie=cookie, X_Forwarded_Proto="https").status == 401
    assert closed.call("POST", "/sweep", {}, Cookie=cookie, Sec_Fetch_Site="same-origin").status == 401


def test_a_link_on_the_page_reads_with_the_cookie(closed: Bench) -> None:
    """The browser's own word, which no page can forge, that one of our pages asked."""
    cookie = cookie_of(sign_in(closed, closed.token("submit")))
    assert closed.call("GET", "/jobs", Cookie=cookie, Sec_Fetch_Site="same-origin").status == 200


def test_at_plain_http_where_browsers_say_nothing_the_cookie_reads_and_changes_nothing(closed: Bench) -> None:
    """`http://farm.lan:8080`: links, downloads and pictures carry neither our header nor the browser's word."""
    cookie = cookie_of(sign_in(closed, closed.token("admin")))
    assert closed.call("GET", "/jobs", Cookie=cookie).status == 200
    assert closed.call("POST", "/sweep", {}, Cookie=cookie).status == 401
    assert closed.send("GET", "/workers", Cookie=cookie).status == 401  # of a protocol whose GETs may change something


def test_a_revoked_token_ends_its_sessions(closed: Bench) -> None:
    cookie = cookie_of(sign_in(closed, closed.token("submit")))
    [token] = access.tokens(closed.farm)
    access.revoke(closed.farm, token.id)
    assert closed.call("GET", "/jobs", Cookie=cookie, **OURS).status == 401
    assert closed.get("/session", Cookie=cookie, **OURS)["scopes"] == []


def test_signing_out_takes_the_cookie_away(closed: Bench) -> None:
    answer = closed.call("DELETE", "/session")
    [morsel] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (answer.status, morsel.value, morsel["max-age"]) == (204, "", "0")


@pytest.mark.parametrize("cookie", ["", "millrace_token=", "millrace_token=%00", "=;=;", "[]=1"])
def test_a_broken_cookie_is_none(closed: Bench, cookie: str) -> None:
    assert closed.call("GET", "/jobs", Cookie=cookie, **OURS).status == 401
    assert closed.get("/session", Cookie=cookie, **OURS) == {"name": None, "scopes": [], "auth": "token"}


def test_credentials_that_are_sent_outright_come_before_the_cookie(closed: Bench) -> None:
    cookie = cookie_of(sign_in(closed, closed.token("admin")))
    assert closed.call("GET", "/jobs", Cookie=cookie, Authorization="Bearer mr_wrong", **OURS).status == 401


def test_an_open_farm_keeps_no_token(bench: Bench) -> None:
    answer = sign_in(bench, "anything")
    assert (answer.status, "Set-Cookie" in answer.headers) == (204, False)
    assert bench.get("/session") == {
        "name": "open farm",
        "scopes": ["admin", "operate", "submit", "worker"],
        "auth": "open",
    }
