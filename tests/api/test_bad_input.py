"""Whatever is sent, the answer says what is wrong with it; the farm never fails on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.api import reading
from chalicelib.api.problems import TooLarge
from chalicelib.api.wanted import JobChange
from chalicelib.edge.http import Request, Spool
from tests.api.bench import Bench, served

BODIES = {
    "nothing": b"",
    "no JSON": b"{name: 'x'}",
    "half of it": b'{"name": "x"',
    "two of them": b"{}{}",
    "no UTF-8": b'{"name": "\xff"}',
    "half a surrogate pair": b'{"name": "\\ud800"}',
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a key twice": b'{"name": "x", "name": "y"}',
    "a key twice, deep down": b'{"settings": {"rungs": [{"count": 1, "count": 2}]}}',
    "NaN": b'{"priority": NaN}',
    "infinity": b'{"priority": -Infinity}',
    "a number beyond doubles": b'{"priority": 1e999}',
    "a number of 5,000 digits": b'{"priority": ' + b"9" * 5000 + b"}",
    "a depth bomb": b"[" * 200_000,
    "a deep object": b'{"settings":' * 2000 + b"1" + b"}" * 2000,
    "a list": b"[]",
    "a string": b'"name"',
    "null": b"null",
    "a form": b"name=x&type=ladder",
}


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/blobs"])
def test_a_body_that_is_no_json_object_is_refused(bench: Bench, path: str, what: str) -> None:
    answer = bench.send("POST", path, BODIES[what], Content_Type="application/json")
    assert (answer.status, answer.kind) == (400, "application/problem+json")
    assert answer.json["detail"]
    assert bench.get("/jobs")["items"] == []


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "text/plain", "", "*/*"])
def test_the_content_type_is_not_looked_at(bench: Bench, kind: str) -> None:
    body = json.dumps({"name": "x", "type": "ladder", "settings": {"rungs": []}}).encode()
    assert bench.send("POST", "/api/v1/jobs", body, Content_Type=kind).status == 201


def test_a_body_over_8_mb_is_refused(bench: Bench) -> None:
    answer = bench.send("POST", "/api/v1/jobs", b" " * 8_000_001)
    assert answer.status == 413 and "8000000" in answer.json["detail"]
    assert bench.send("POST", "/api/v1/jobs", b" " * 8_000_000).status == 400


def spooled(path: Path, size: int) -> Request:
    return Request("POST", "/api/v1/jobs", {}, {}, b"", Spool(str(path), size, ""), "")


def test_a_spooled_body_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_text('{"name": "from a file"}')
    assert reading.read_body(spooled(path, 23), JobChange).name == "from a file"
    with pytest.raises(TooLarge, match="8000000"):
        reading.read_body(spooled(path, 8_000_001), JobChange)


def test_a_method_that_is_not_there_is_told_with_those_there_are(bench: Bench) -> None:
    answer = bench.call("PUT", "/jobs", {})
    assert (answer.status, answer.kind) == (405, "application/problem+json")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST"}


def test_any_accept_header_gets_an_answer(bench: Bench) -> None:
    for accept in ("", "text/html", "image/png", "application/json", "*/*"):
        assert bench.call("GET", "/farm", Accept=accept).status == 200


# ---- anything at all

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
task = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"]) | anything, "task_type": st.just("sleep") | anything},
    optional={
        "commands": st.just([{"name": "echo"}]) | anything,
        "parents": st.lists(st.sampled_from(["a", "b", "c"]), max_size=3) | anything,
        "priority": anything,
        "tags": anything,
    },
)
job = st.fixed_dictionaries(
    {
        "name": st.text(min_size=1, max_size=10) | anything,
        "type": st.sampled_from(["commands", "function", "transcode"]),
    },
    optional={
        "settings": st.fixed_dictionaries({"tasks": st.lists(task, max_size=3)}) | anything,
        "priority": st.integers(-5, 105) | anything,
        "tags": st.lists(st.text(max_size=5), max_size=3) | anything,
        "max_retries": anything,
        "on_failure": anything,
        "extra": anything,
    },
)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with served(tmp_path_factory.mktemp("fuzz")) as bench:
        yield bench


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(wanted=job | anything)
@example(wanted={"name": "x", "type": "commands", "settings": {"tasks": [{"name": "a", "parents": ["a"]}]}})
def test_any_json_is_a_job_or_is_refused_with_a_reason(farm: Bench, wanted: Any) -> None:
    answer = farm.call("POST", "/jobs", wanted)
    assert answer.status in (201, 400), answer.body
    if answer.status == 201:
        assert farm.get(f"/jobs/{answer.json['id']}")["status"] == "queued"
    else:
        assert answer.json["detail"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_reason(farm: Bench, body: bytes) -> None:
    for path in ("/jobs", "/blobs", "/sweep"):
        answer = farm.send("POST", "/api/v1" + path, body)
        assert answer.status == 400 or (path == "/sweep" and not body.strip()), answer.body
