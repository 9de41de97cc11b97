"""Recorded requests with something changed, on every room's routes: nothing that can be sent makes the farm fail, leave
a protocol's words, or change anything for a call that it refuses."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import app
from chalicelib.edge.routing import Routes
from tests.edge.test_bad_input_everywhere import METHODS, SEGMENTS
from tests.edge.whole_farm import ROUTES, Route, WholeFarm, assert_in_its_own_words, basic, refuses, whole_farm

CONTRACT = Path(__file__).parents[1] / "contract"
TREE = Routes(app.routes)


class Sent(NamedTuple):
    """A request; `$name` in it stands for something of this farm."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: Any
    """Bytes, or what is sent as JSON."""


# ---- what is started from -------------------------------------------------------------------------------------------


def _recorded(folder: Path) -> list[Sent]:
    recordings = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [_sent(step["request"]) for recording in recordings for step in recording.get("steps", [recording])]


def _sent(request: dict[str, Any]) -> Sent:
    path, _, query = request["path"].partition("?")
    headers, body = dict(request.get("headers", {})), request.get("json", request.get("body", b""))
    for name, text in request.get("multipart", {}).items():
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
        headers["Content-Type"], body = "multipart/form-data; boundary=b", f"{head}{text}\r\n--b--\r\n"
    body = body.encode() if isinstance(body, str) else body
    return Sent(request["method"], path, tuple(parse_qsl(query)), headers, body)


DIALECTS = ("flamenco1", "flamenco2", "native", "pleiades", "scheduler", "transcode")
BASES = {
    "api": _recorded(Path(__file__).parent / "fuzz"),
    **{dialect: _recorded(CONTRACT / dialect) for dialect in DIALECTS},
    "every route": [Sent(route.method, route.pattern, (), {}, {}) for route in ROUTES],
}


def _filled(value: Any, whole: WholeFarm, dialect: str) -> Any:
    """Names that recordings bind stand for what is in this farm."""
    if isinstance(value, dict):
        return {name: _filled(part, whole, dialect) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(part, whole, dialect) for part in value)
    if not isinstance(value, str):
        return value

    def known(match: re.Match[str]) -> str:
        kind = match[1]
        named = {"scheduler": {"worker": "uuid"}, "native": {}}.get(dialect, {})
        for candidate in (f"{dialect} {kind}", named.get(kind, kind)):
            if candidate in whole.known:
                return whole.known[candidate]
        return whole.known["task"]

    return re.sub(r"\$([a-z][a-z0-9_]*)", known, value).replace("1311768467", whole.known["worker"])


# ---- what is changed ------------------------------------------------------------------------------------------------

numbers = st.sampled_from([0, -1, 1, 2**31, 2**53, 2**63, 10**40, 0.5, -0.0, 1e308])
scalars = st.none() | st.booleans() | numbers | st.integers() | st.floats() | st.text(max_size=20)
odd_texts = st.sampled_from(
    ["", " ", "\0", "a" * 3000, "..", "/", "$any", "\ud800", "🎬", "\r\nX-Injected: 1", "1" * 30]
)
anything = st.recursive(
    scalars | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def changed(draw: st.DrawFn, value: Any) -> Any:
    """The value with one thing in it replaced, left out, doubled or renamed, at any depth."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        kept = {key: part for key, part in value.items() if key != name}
        how = draw(st.sampled_from(["deeper", "deeper", "deeper", "drop", "rename", "add"]))
        if how == "drop":
            return kept
        if how == "rename":
            return {**kept, draw(st.text(max_size=8) | st.just(name.upper())): value[name]}
        if how == "add":
            return {**value, draw(st.text(max_size=8)): draw(anything)}
        return {key: changed(draw, part) if key == name else part for key, part in value.items()}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        if draw(st.booleans()):
            return [*value, value[place]]
        return [changed(draw, part) if n == place else part for n, part in enumerate(value)]
    return draw(anything)


def changed_bytes(draw: st.DrawFn, body: bytes, content_type: str) -> bytes:
    if "urlencoded" in content_type and draw(st.booleans()):
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
        place = draw(st.integers(0, max(0, len(pairs) - 1)))
        text = draw(odd_texts | st.text(max_size=20)).encode("utf-8", "replace")
        return urlencode([(n, text if i == place else v) for i, (n, v) in enumerate(pairs)]).encode()
    start, end = sorted(draw(st.tuples(st.integers(0, len(body)), st.integers(0, len(body)))))
    return body[:start] + draw(st.binary(max_size=12)) + body[end:]


CONTENT_TYPES = (
    "application/json",
    "multipart/form-data; boundary=b",
    "application/x-www-form-urlencoded",
    "text/x",
    "",
)
CREDENTIALS = ("Basic", "Bearer ", "Basic Og==", "Bearer a.b.c", basic("1", "x")["Authorization"])
HEADERS = {
    "Content-Type": st.sampled_from(CONTENT_TYPES),
    "Authorization": st.sampled_from(CREDENTIALS),
    "Accept": st.just("text/html"),
    "Range": st.just("bytes=5-2"),
}
NAMES = ("token", "timeout", "except", "limit", "cursor", "worker", "job_id", "status", "x")
PARTS = ("body", "body", "body", "path", "query", "headers", "method")


def quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")


@st.composite
def requests_like(draw: st.DrawFn, dialect: str, whole: WholeFarm) -> Sent:
    """Up to three things of a request are changed. `body` is bytes."""
    sent = Sent(*_filled(tuple(draw(st.sampled_from(BASES[dialect]))), whole, dialect))
    if "{" in sent.path:
        sent = sent._replace(path=whole.path(sent.path), headers=whole.credentials(sent.path))
    elif (match := TREE.match(sent.path)) is not None and draw(st.integers(0, 4)):
        sent = sent._replace(headers={**sent.headers, **whole.credentials(match.pattern)})
    for part in draw(st.lists(st.sampled_from(PARTS), max_size=3)):
        sent = sent._replace(**{part: _CHANGES[part](draw, sent, whole)})
    return sent if isinstance(sent.body, bytes) else sent._replace(body=json.dumps(sent.body).encode())


def _body(draw: st.DrawFn, sent: Sent, whole: WholeFarm) -> Any:
    if isinstance(sent.body, bytes):
        return changed_bytes(draw, sent.body, sent.headers.get("Content-Type", ""))
    return changed(draw, sent.body)


def _path(draw: st.DrawFn, sent: Sent, whole: WholeFarm) -> str:
    segments = sent.path.split("/")
    others = st.sampled_from([*SEGMENTS, *whole.known.values()]) | st.text(max_size=8).map(quoted)
    segments[draw(st.integers(1, len(segments) - 1))] = draw(others)
    return "/".join(segments)


def _query(draw: st.DrawFn, sent: Sent, whole: WholeFarm) -> tuple[tuple[str, str], ...]:
    return (*sent.query, (draw(st.sampled_from(NAMES)), draw(odd_texts | st.text(max_size=8))))


def _headers(draw: st.DrawFn, sent: Sent, whole: WholeFarm) -> dict[str, str]:
    name = draw(st.sampled_from(sorted(HEADERS)))
    return {**sent.headers, name: draw(HEADERS[name])}


def _method(draw: st.DrawFn, sent: Sent, whole: WholeFarm) -> str:
    return draw(st.sampled_from(METHODS))


_CHANGES = {"body": _body, "path": _path, "query": _query, "headers": _headers, "method": _method}


# ---- what must hold -------------------------------------------------------------------------------------------------


class Errors(logging.Handler):
    """What fails for a reason of ours is logged as an error, whatever the caller is told."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeFarm]:
    with whole_farm(tmp_path_factory.mktemp("fuzz")) as farm:
        yield farm


@pytest.fixture(scope="module")
def errors() -> Iterator[Errors]:
    handler = Errors()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.mark.timeout(3600)  # with --full
@pytest.mark.parametrize("dialect", BASES)
def test_nothing_that_can_be_sent_breaks_a_rooms_words(whole: WholeFarm, errors: Errors, dialect: str) -> None:
    @settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(sent=requests_like(dialect, whole))
    def holds(sent: Sent) -> None:
        before = whole.state()
        query = urlencode([(name, text.encode("utf-8", "replace")) for name, text in sent.query])
        answer = whole.send(sent.method, f"{sent.path}?{query}" if query else sent.path, sent.body, sent.headers)
        said, errors.said[:] = list(errors.said), []
        assert not said, said
        assert b"Traceback" not in answer.body and "x-injected" not in answer.headers
        match = TREE.match(sent.path)
        if match is None:
            assert answer.status in (301, 307, 400, 404, 405, 414), answer
            return
        route = Route(sent.method, match.pattern)
        assert_in_its_own_words(route, answer, sent)
        if refuses(route, answer):
            assert whole.state() == before, answer

    holds()
