"""Whatever a caller sends to whatever route of the app: the answer is that protocol's own, and what is refused changes
nothing. What is wrong with a field is each room's business (`test_bad_input.py` there)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from app import app
from chalicelib.dialects.scheduler.routes import blueprint as scheduler
from tests.edge.whole_farm import ROUTES, Route, WholeFarm, assert_in_its_own_words, refuses, whole_farm

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PARTS = {"Content-Type": "multipart/form-data; boundary=b"}
MEGABYTE = 1_000_000
BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "nothing": (b"", {}),
    "nothing, called JSON": (b"", JSON),
    "nothing, called a form": (b"", PARTS),
    "1 MB of lists": (b"[" * MEGABYTE, JSON),
    "1 MB of lists, closed": (b"[" * (MEGABYTE // 2) + b"]" * (MEGABYTE // 2), JSON),
    "1 MB of objects": (b'{"job":' * (MEGABYTE // 7), JSON),
    "over 1 MB of blanks": (b" " * (MEGABYTE + 100_000), JSON),
    "a key twice": (b'{"status": "active", "status": "completed", "id": 1, "id": 2}', JSON),
    "NaN": (b'{"task_id": NaN, "timeout": NaN, "port": NaN, "priority": NaN}', JSON),
    "infinity": (b'{"task_id": Infinity, "timeout": -Infinity, "port": 1e999, "priority": 1e999}', JSON),
    "a number of 5,000 digits": (b'{"task_id": %b, "timeout": %b, "port": %b}' % ((b"9" * 5000,) * 3), JSON),
    "no UTF-8": (b'{"status": "\xff\xfe", "name": "\xc3\x28"}', JSON),
    "half a surrogate pair": (b'{"status": "\\ud800", "name": "\\udfff", "hostname": "\\ud800"}', JSON),
    "NUL and control characters": (b'{"status": "\\u0000", "name": "\\u0001\\u001f", "hostname": "\\u007f"}', JSON),
    "raw control characters": (b'{"status": "\x00\x01"}', JSON),
    "a byte order mark": (b"\xef\xbb\xbf{}", JSON),
    "UTF-16": ("{}".encode("utf-16"), {"Content-Type": "application/json; charset=utf-16"}),
    "half of it": (b'{"status": "act', JSON),
    "two values": (b"{}{}", JSON),
    "null": (b"null", JSON),
    "a number": (b"0", JSON),
    "a text": (b'"status"', JSON),
    "a list": (b"[]", JSON),
    "an empty object": (b"{}", JSON),
    "an object without a content type": (b'{"a": 1}', {}),
    "an object, called a table": (b'{"a": 1}', {"Content-Type": "text/csv"}),
    "an object under a content type that is none": (b'{"a": 1}', {"Content-Type": ";;=/\\"}),
    "bad escapes in a form": (b"task_id=%zz&status=%&%=%00&hostname=%ff%fe", FORM),
    "a form of one long name": (b"a" * 100_000, FORM),
    "JSON, called a form": (b'{"task_id": 41}', FORM),
    "a form of parts without a boundary": (b"--b\r\n", {"Content-Type": "multipart/form-data"}),
    "parts that never come": (b"nothing of the kind", PARTS),
    "parts that break off in a head": (b'--b\r\nContent-Disposition: form-data; name="fi', PARTS),
    "parts that break off": (b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nabc', PARTS),
    "a part without a name": (b"--b\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--b--\r\n", PARTS),
    "a part without a head": (b"--b\r\n\r\nabc\r\n--b--\r\n", PARTS),
    "a part with a long head": (b"--b\r\nX: " + b"x" * 100_000 + b"\r\n\r\n\r\n--b--\r\n", PARTS),
    "a boundary of another kind": (b"--c\r\n\r\n--c--\r\n", {"Content-Type": "multipart/form-data; boundary=\x7f"}),
    "any bytes": (bytes(range(256)), {"Content-Type": "application/octet-stream"}),
}
QUERIES = (
    "?",
    "?&&=&",
    "?%00=%00",
    "?token=%ff&worker=%ff&limit=%ff",
    "?limit=NaN&timeout=NaN&start_index=NaN",
    "?limit=-1&timeout=-1e999&start_index=-1",
    "?limit=" + "9" * 5000,
    "?timeout=0&except=" + "x" * 5000,
    "?worker=%0d%0aX-Injected:%201",
    "?limit=1&limit=2&limit=&cursor=%2e%2e&status=..",
)
SEGMENTS = (
    "0",
    "-1",
    "1.5",
    "1e3",
    "9" * 16,
    "9" * 5000,
    "%00",
    "%0d%0aX-Injected:1",
    "%ff%fe",
    "%zz",
    "%",
    "..",
    ".",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%EF%BC%91",
    "~!$'()*+,;=:@",
    "a" * 8000,
    "\u00e9".encode().decode("latin-1"),
    "ffffffffffffffffffffffff",
    "00000000-0000-0000-0000-000000000000",
)
SUFFIXES = ("/", "//", "/.", "/..", "/%2e%2e", "%2F", "%20", ";a=b", "/%00")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeFarm]:
    with whole_farm(tmp_path_factory.mktemp("bad-input")) as farm:
        yield farm


@pytest.fixture(autouse=True)
def nothing_failed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What fails for a reason of ours is logged as an error, whatever the caller is told."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


def try_it(whole: WholeFarm, route: Route, target: str, what: object, *sent: object) -> None:
    """Send it; the answer is in the room's words, and what is refused has changed nothing."""
    before = whole.state()
    answer = whole.send(route.method, target, *sent)  # type: ignore[arg-type]
    assert_in_its_own_words(route, answer, what)
    assert "x-injected" not in answer.headers
    if refuses(route, answer):
        assert whole.state() == before, (str(route), what, answer)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_any_body_and_any_content_type(whole: WholeFarm, route: Route) -> None:
    target, credentials = whole.path(route.pattern), whole.credentials(route.pattern)
    for what, (body, headers) in BODIES.items():
        if not (route.method == "GET" and len(body) >= MEGABYTE):
            try_it(whole, route, target, what, body, {**credentials, **headers})


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "POST"], ids=str)
def test_a_body_that_the_server_itself_refuses(whole: WholeFarm, route: Route) -> None:
    """Before it is sent: its length is enough."""
    before, headers = whole.state(), {**whole.credentials(route.pattern), **JSON, "Content-Length": "70000000"}
    answer = whole.send("POST", whole.path(route.pattern), b"", headers)
    assert refuses(route, answer), answer
    assert_in_its_own_words(route, answer)
    assert whole.state() == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_any_query(whole: WholeFarm, route: Route) -> None:
    target, credentials = whole.path(route.pattern), whole.credentials(route.pattern)
    for query in QUERIES:
        try_it(whole, route, target + query, query[:100], b"", credentials)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route.pattern], ids=str)
def test_any_id_also_of_another_kind_and_of_another_protocol(whole: WholeFarm, route: Route) -> None:
    credentials = whole.credentials(route.pattern)
    for segment in (*SEGMENTS, *whole.known.values()):
        target = re.sub(r"\{\w+\}", lambda _: segment, route.pattern)  # noqa: B023
        try_it(whole, route, target, segment[:100], b"", credentials)


@pytest.mark.parametrize("pattern", sorted(app.routes))
def test_any_method(whole: WholeFarm, pattern: str) -> None:
    before = whole.state()
    for method in METHODS:
        if method in app.routes[pattern]:
            continue
        answer = whole.send(method, whole.path(pattern), b"{}", whole.credentials(pattern))
        route = Route(method, pattern)
        assert answer.status == 405, (str(route), answer)
        assert_in_its_own_words(route, answer)
        allowed = "OPTIONS, POST" if route.room is scheduler else ", ".join(sorted(app.routes[pattern]))
        assert answer.headers["allow"] == allowed
    assert whole.state() == before


@pytest.mark.parametrize("pattern", [pattern for pattern in sorted(app.routes) if pattern != "/"])
def test_a_path_that_is_nearly_one_is_none(whole: WholeFarm, pattern: str) -> None:
    """Or it is another path, with an odd id; or its room sends it on."""
    before = whole.state()
    for suffix in SUFFIXES:
        if pattern.endswith("}") and not suffix.startswith("/"):
            continue
        answer = whole.send("POST", whole.path(pattern) + suffix, b"{}", whole.credentials(pattern))
        if answer.status in (301, 307):
            assert suffix == "/" and answer.headers["location"] == whole.path(pattern)
        else:
            assert answer.status in (404, 405), (pattern, suffix, answer)
        assert whole.state() == before
