"""The parts without sockets: heads, ranges, routes, under inputs that nobody would think of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.edge.routing import Match, Routes
from chalicelib.embedded.http1 import Refused, parse_head, render_head
from chalicelib.embedded.ranges import NotSatisfiable, requested_range

pieces = st.sampled_from(
    [
        b"GET",
        b"POST",
        b" ",
        b"/",
        b"/x?y=%zz",
        b"http://h",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b":",
    ]
    + [b"Host: x", b"Content-Length: ", b"1", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"\xff\xfe"]
)


@given(st.one_of(st.binary(max_size=300), st.lists(pieces, max_size=20).map(b"".join)))
def test_any_bytes_are_a_head_or_refused(raw: bytes) -> None:
    try:
        head = parse_head(raw)
    except Refused as refused:
        assert 400 <= refused.status < 600 and refused.close
    else:
        assert head.path.startswith("/") and head.path.isascii()
        assert not (head.chunked and head.content_length is not None)


@given(st.text(alphabet="bytes=0123456789-, ", max_size=20), st.integers(0, 10**12))
def test_any_range_lies_within_the_object_or_is_refused(header: str, size: int) -> None:
    try:
        wanted = requested_range(header, size)
    except NotSatisfiable:
        return
    if wanted is not None:
        offset, length = wanted
        assert offset >= 0 and length > 0 and offset + length <= size


def test_an_answer_with_a_line_break_in_a_header_is_not_sent() -> None:
    with pytest.raises(ValueError, match="line break"):
        render_head(200, [("X", "a\r\nSet-Cookie: b")], length=0, close=False)


ROUTES = Routes(["/", "/data", "/data/{id}", "/data/{id}/blob", "/data/new/{kind}", "/{base}/data", "/{base}/{id}/x"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", Match("/", {})),
        ("/data", Match("/data", {})),
        ("/data/7", Match("/data/{id}", {"id": "7"})),
        ("/data/new", Match("/data/{id}", {"id": "new"})),
        ("/data/new/blob", Match("/data/new/{kind}", {"kind": "blob"})),
        ("/data/7/blob", Match("/data/{id}/blob", {"id": "7"})),
        ("/data/data", Match("/data/{id}", {"id": "data"})),
        ("/v5/data", Match("/{base}/data", {"base": "v5"})),
        ("/data/7/x", Match("/{base}/{id}/x", {"base": "data", "id": "7"})),
        ("/data/a%2Fb", Match("/data/{id}", {"id": "a%2Fb"})),
        ("/data/", None),
        ("//data", None),
        ("/data//blob", None),
        ("/data/7/blob/", None),
        ("/data/7/other", None),
        ("/DATA", None),
        ("", None),
        ("data", None),
    ],
)
def test_a_path_finds_its_pattern(path: str, expected: Match | None) -> None:
    assert ROUTES.match(path) == expected


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/data/", {"/data"}),
        ("/data/7/other", {"/data/{id}"}),
        ("/data/7/blob/more", {"/data/{id}/blob"}),
        ("/data/new/kind/more", {"/data/new/{kind}"}),
        ("/data/new/", {"/data/new/{kind}"}),
        ("/v5", {"/{base}/data", "/{base}/{id}/x"}),
        ("//data", {"/"}),
        ("*", {"/"}),
    ],
)
def test_a_path_that_means_nothing_has_something_nearest(path: str, nearest: set[str]) -> None:
    assert ROUTES.nearest(path) == nearest
