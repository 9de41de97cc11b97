"""The small pure pieces: UUIDs, strict JSON, refusals, requests."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import BadInput, NotFound
from chalicelib.core.ids import LARGEST
from chalicelib.edge.http import Request
from chalicelib.edge.json_text import strict_json
from chalicelib.edge.refusals import refusal
from chalicelib.edge.uuids import id_of, uuid_of

ids = st.integers(1, LARGEST)


@given(number=ids)
def test_an_id_comes_back_from_its_uuid(number: int) -> None:
    text = uuid_of(number)
    assert id_of(text) == id_of(text.upper()) == number
    assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (4, uuid.RFC_4122)
    assert str(uuid.UUID(text)) == text


def test_the_rendering_is_that_of_the_native_protocol() -> None:
    assert uuid_of(0x4E2FF913) == "00000000-0000-4000-8000-00004e2ff913"


@given(number=ids, bit=st.integers(53, 127))
def test_a_uuid_that_differs_anywhere_else_is_nobodys(number: int, bit: int) -> None:
    foreign = uuid.UUID(int=uuid.UUID(uuid_of(number)).int ^ (1 << bit))
    with pytest.raises(NotFound):
        id_of(str(foreign))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345",
        "00000000-0000-4000-8000-000000000000",
        "{00000000-0000-4000-8000-00004e2ff913}",
        "00000000000040008000-00004e2ff913",
        "00000000-0000-4000-8000-00004e2ff913\n",
        "٠0000000-0000-4000-8000-00004e2ff913",
        str(uuid.UUID(int=5)),
        None,
        7,
    ],
)
def test_other_texts_are_nobodys(text: object) -> None:
    with pytest.raises(NotFound):
        id_of(text, "worker")


@pytest.mark.parametrize("number", [0, -1, LARGEST + 1])
def test_what_is_no_id_has_no_uuid(number: int) -> None:
    with pytest.raises(ValueError):
        uuid_of(number)


# ---- JSON

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(value=values)
def test_what_json_can_say_is_understood(value: Any) -> None:
    assert strict_json(json.dumps(value).encode()) == value
    assert strict_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(data=st.binary())
def test_anything_else_is_bad_input(data: bytes) -> None:
    try:
        strict_json(data)
    except BadInput as refused:
        assert refused.message.startswith("the body is not JSON")


@pytest.mark.parametrize(
    "data", [b'{"a":1,"a":1}', b"[NaN]", b"[Infinity]", b"[1e400]", b'"\\udc00"', b"[" * 300 + b"]" * 300]
)
def test_what_could_not_be_kept_or_sent_again_is_bad_input(data: bytes) -> None:
    with pytest.raises(BadInput):
        strict_json(data)


def test_a_key_given_twice_is_named() -> None:
    with pytest.raises(BadInput, match="'size'"):
        strict_json(b'{"size": 1, "b": {}, "size": 2}')


# ---- refusals and requests


def test_refusals_are_problems_below_the_api_and_envelopes_elsewhere() -> None:
    assert refusal("/api/v1/x", 404, "m").content_type == "application/problem+json"
    assert refusal("/api/v1", 299, "m").body["title"] == "Error"
    for path in ("/", "", "/api/v10/x", "/api/v0.5/worker", "/worker"):
        assert refusal(path, 404, "m") == ("application/json", {"code": 404, "status": "error", "message": "m"})


def test_urls_are_completed_by_what_the_client_calls_us() -> None:
    request = Request("GET", "/", {"host": "farm:8000"}, {}, b"", None, "")
    behind = Request("GET", "/", {"host": "farm", "x-forwarded-proto": "https"}, {}, b"", None, "")
    assert request.absolute("/objects/x") == "http://farm:8000/objects/x"
    assert behind.absolute("/objects/x") == "https://farm/objects/x"
    assert behind.absolute("https://bucket.example/x") == "https://bucket.example/x"
