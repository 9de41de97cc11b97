"""On a farm with tokens nothing is reached without credentials but what `FREE` lists: every route of the app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.dialects.flamenco2.routes import blueprint as flamenco2
from chalicelib.dialects.transcode.routes import blueprint as transcode
from tests.edge.whole_farm import FREE, ROUTES, Route, WholeFarm, assert_in_its_own_words, basic, whole_farm

WRONG = {
    "nothing": ("", {}),
    "an unknown token": ("", {"Authorization": "Bearer mr_wrong"}),
    "an unknown token in the query": ("?token=mr_wrong", {}),
    "a worker that is not there": ("", basic("1234567", "x" * 43)),
}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeFarm]:
    with whole_farm(tmp_path_factory.mktemp("closed"), auth="token") as whole:
        yield whole


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in FREE], ids=str)
def test_without_a_token_a_call_is_refused_in_its_protocols_words_and_changes_nothing(
    closed: WholeFarm, route: Route
) -> None:
    before = closed.state()
    for what, (query, headers) in WRONG.items():
        answer = closed.send(route.method, closed.path(route.pattern) + query, b"{}", headers)
        assert_in_its_own_words(route, answer, what)
        if route.room is transcode:
            assert (answer.status, answer.json["err_code"]) == (200, -2), what
        elif route[1] in ("/api/v1/session", "/api/v1/join") and route.method == "POST":
            # what is missing is in the body: `tests/api/test_sessions.py`, `tests/api/test_joining.py`
            assert (answer.status, answer.json["field"]) == (400, "token"), what
        elif route == ("POST", "/register-worker"):
            assert (answer.status, b"Bearer token for registration" in answer.body) == (403, True), what
        else:
            assert answer.status == 401, (what, answer)
        if route.room is flamenco2 and answer.status == 401:
            assert answer.headers["www-authenticate"] == 'Basic realm="Flamenco Manager"'
    assert closed.state() == before


@pytest.mark.parametrize("route", [Route(*route) for route in FREE], ids=str)
def test_what_is_free_is_answered_to_everybody(closed: WholeFarm, route: Route) -> None:
    assert route in ROUTES
    assert closed.send(route.method, closed.path(route.pattern)).status in (200, 204, 405)


def test_what_is_free_tells_nothing_of_the_farms_work(closed: WholeFarm) -> None:
    told = b"".join(closed.send(method, closed.path(pattern)).body for method, pattern in FREE)
    secrets = {closed.known[kind] for kind in ("worker", "secret", "uuid", "job", "blob", "flamenco2 worker")}
    assert not [secret for secret in secrets if secret.encode() in told]
    assert b"node7" not in told
