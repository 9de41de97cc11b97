"""Whatever comes in, the answer is 500 and one text, as the sheet has it, and nothing has changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dialects.scheduler import go_json
from tests.dialects.scheduler.conftest import RUNNING, HandWorker, Site

CALLS = ("/start", "/stop", "/query")
END = "unexpected end of JSON input"
UNKNOWN = "worker not found"
"""What a body gives that is well-formed and says nothing."""

BODIES = [
    (b"", END),
    (b"  \r\n\t", END),
    (b"{", END),
    (b'{"worker_id"', END),
    (b'{"worker_id":', END),
    (b'{"worker_id":"a', END),
    (b'{"worker_id":"a"', END),
    (b'{"worker_id":"a",', END),
    (b"tru", END),
    (b"-", END),
    (b"null", UNKNOWN),
    (b" {} \n", UNKNOWN),
    (b'{"unknown":[1,{"a":NULL}]}', "invalid character 'N' looking for beginning of value"),
    (b'{"unknown":[1,{"a":null}],"worker_id":null}', UNKNOWN),
    (b"{}}", "invalid character '}' after top-level value"),
    (b"{} junk", "invalid character 'j' after top-level value"),
    (b"junk", "invalid character 'j' looking for beginning of value"),
    (b'{"a" 1}', "invalid character '1' after object key"),
    (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
    (b"{1:2}", "invalid character '1' looking for beginning of object key string"),
    (b'{"worker_id":"a\nb"}', "invalid character '\\u000a' in string literal"),
    (b'{"worker_id":"\\x"}', "invalid character '\\' in string escape code"),
    (b'{"a":NaN}', "invalid character 'N' looking for beginning of value"),
    (b'{"a":-Infinity}', "invalid character 'I' in numeric literal"),
    (b"[" * 400_000, "exceeded max depth"),
    (b'{"a":' * 100_000, "exceeded max depth"),
    (b'{"a":' + b"9" * 10_000 + b"}", UNKNOWN),
    (b'{"a":1e999}', UNKNOWN),
    (b"\xff\xfe", "invalid character '\ufffd' looking for beginning of value"),
    (b"\xef\xbb\xbf{}", "invalid character '\\ufeff' looking for beginning of value"),
    (b'{"worker_id":"\xff\xfe"}', UNKNOWN),
    (b'{"worker_id":"\\ud800"}', UNKNOWN),
    (b'{"worker_id":"' + b"x" * 1024 * 1024 + b'"}', "the request body is longer than 1048576 bytes"),
    (b" " * 20_000_000, "the request body is longer than 1048576 bytes"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_malformed_body_fails_with_the_decoders_text(site: Site, call: str) -> None:
    for body, text in BODIES:
        answer = site.send(call, body)
        assert (answer.status_code, answer.json()) == (500, {"error": text}), body[:60]
        assert answer.headers["Content-Type"] == "application/json" and answer.content.endswith(b"}\n")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1, "number"), (1.5, "number"), (True, "bool"), ([], "array"), ({}, "object"), ({"a": 1}, "object")],
)
@pytest.mark.parametrize(
    ("call", "struct", "field"),
    [
        ("/start", "apiStartJobReq", "worker_id"),
        ("/start", "apiStartJobReq", "command"),
        ("/start", "apiStartJobReq", "path"),
        ("/stop", "apiStopJobReq", "worker_id"),
        ("/query", "apiQueryJobReq", "job_id"),
    ],
)
def test_a_field_is_a_string(site: Site, call: str, struct: str, field: str, value: Any, kind: str) -> None:
    text = f"json: cannot unmarshal {kind} into Go struct field {struct}.{field} of type string"
    assert site.error(call, **{field.upper(): value}) == text


@pytest.mark.parametrize(("body", "kind"), [(b"[]", "array"), (b'"a"', "string"), (b"7", "number"), (b"true", "bool")])
def test_a_body_is_an_object(site: Site, body: bytes, kind: str) -> None:
    answer = site.send("/stop", body)
    assert answer.json() == {"error": f"json: cannot unmarshal {kind} into Go value of type main.apiStopJobReq"}


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/x-www-form-urlencoded", "image/png", "x"]
)
def test_the_content_type_is_not_looked_at(site: Site, hand: HandWorker, content_type: str | None) -> None:
    job = site.queued(hand.uuid)
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = site.send("/query", json.dumps({"worker_id": hand.uuid, "job_id": job}).encode(), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("command", "path", "text"),
    [
        ("", "x", "exec: no command"),
        ("a\0b", "", "fork/exec a\0b: invalid argument"),
        ("ls", "a\0b", "fork/exec ls: invalid argument"),
        ("ls", "x" * 100_000, "fork/exec ls: argument list too long"),
    ],
)
def test_what_no_system_can_start_is_refused_at_once(
    site: Site, hand: HandWorker, command: str, path: str, text: str
) -> None:
    answer = site.send("/start", json.dumps({"worker_id": hand.uuid, "command": command, "path": path}).encode())
    assert (answer.status_code, answer.json()) == (500, {"error": f"rpc error: code = Unknown desc = {text}"})
    assert site.farm.jobs.page(None, 10, None)[0] == []


@pytest.mark.parametrize("command", ["a\nb", "\u202e", "🎬", "x" * 5000, "..", " ", "\ufffd"])
def test_any_other_command_is_a_job(site: Site, hand: HandWorker, command: str) -> None:
    for path in ("", "\r"):
        assert site.query(hand.uuid, site.queued(hand.uuid, command, path)) == RUNNING


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_a_wrong_method_is_answered_in_plain_text(site: Site, call: str, method: str) -> None:
    answer = requests.request(method, site.url + call, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == ("" if method == "HEAD" else "Method Not Allowed\n")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "B", "job_ID", "x"]) | st.text(), inner),
)


@given(_VALUES.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_any_bytes_are_texts_or_malformed(body: bytes) -> None:
    try:
        found = go_json.texts(body, "T", ("a", "b", "job_id"))
    except go_json.Malformed as error:
        assert error.message
    else:
        assert list(found) == ["a", "b", "job_id"] and all(text.encode() or text == "" for text in found.values())
