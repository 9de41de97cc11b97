"""Whatever comes in: HTTP 200, one of the protocol's numbers, and nothing changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chalicelib.core.farm import Farm
from chalicelib.dialects.transcode import routes
from tests.api.bench import gateway_of
from tests.dialects.transcode.conftest import FAILURE, INVALID_REQUEST, INVALID_VALUE, OK, Site, the_app

PATHS = [route.path for route in routes.ROUTES]
JOB = {"src_filename": "a.bin", "dst_dir": "/out"}


NO_OBJECTS = [
    b"",
    b"type = 0",
    b"[1]",
    b'"text"',
    b"\xff\xfe",
    b'{"a":1,"a":1}',
    b'{"a":NaN}',
    b"[" * 500_000 + b"]" * 500_000,
    b'{"a":' * 100_000,
]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_json_object_is_an_invalid_value(site: Site, path: str) -> None:
    for body in NO_OBJECTS:
        for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}):
            answer = site.send("POST", path, data=body, headers=headers)
            assert (answer.status_code, answer.json()) == (200, INVALID_VALUE), body[:20]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"job": None},
        {"job": "text"},
        {"job": []},
        {"job": {}},
        {"job": {"src_filename": "a.bin"}},
        {"job": {"dst_dir": "/out"}},
        {"job": {**JOB, "src_filename": ""}},
        {"job": {**JOB, "dst_dir": ""}},
        {"job": {**JOB, "dst_dir": "relative"}},
        {"job": {**JOB, "src_filename": "folder/"}},
        {"job": {**JOB, "src_filename": "/a/.."}},
        {"job": {**JOB, "src_filename": "a\u0000b"}},
        {"job": {**JOB, "src_filename": ["a"]}},
        {"job": {**JOB, "src_filename": "x" * 3000}},
        {"job": {**JOB, "dst_format": "exe"}},
        {"job": {**JOB, "dst_format": "x" * 17}},
        {"job": {**JOB, "segments": "5-1"}},
        {"job": {**JOB, "segments": "1-5:x"}},
        {"job": {**JOB, "segments": "1-2:" * 70 + "1-2"}},
        {"job": {**JOB, "segments": [[1, 2]]}},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_job_that_is_not_one_is_refused_and_none_is_made(site: Site, body: dict[str, Any]) -> None:
    assert site.call("add_job", **body) == INVALID_REQUEST
    assert site.call("get_jobs")["total"] == 0


def test_what_is_wrong_is_told_in_a_header(site: Site) -> None:
    answer = site.send("POST", "/master/add_job", json={"job": {**JOB, "segments": "5-1"}})
    assert "'5-1' is not from-to in whole seconds" in answer.headers["X-Millrace-Reason"]


@pytest.mark.parametrize(
    "body",
    [
        {"ip": "10.0.0.7"},
        {"ip": "10.0.0.7", "port": 0},
        {"ip": "10.0.0.7", "port": 65536},
        {"ip": "10.0.0.7", "port": "x"},
        {"ip": "10.0.0.7", "port": True},
        {"ip": "10.0.0.7/x?", "port": 20001},
        {"ip": "a b", "port": 20001},
        {"ip": "user@10.0.0.7", "port": 20001},
        {"ip": 5, "port": 20001},
    ],
)
def test_a_worker_that_cannot_be_called_is_not_registered(site: Site, body: dict[str, Any]) -> None:
    assert site.call("register", **body) == INVALID_REQUEST
    assert list(site.farm.workers.all()) == []


@pytest.mark.parametrize("ip", ["", "0.0.0.0", "localhost", None])
def test_a_worker_that_does_not_know_its_address_has_that_of_its_connection(site: Site, ip: str | None) -> None:
    headers = {"X-Forwarded-For": "10.9.9.9", "Forwarded": "for=10.9.9.9"}
    answer = site.send("POST", "/master/register", json={"ip": ip, "port": 20001}, headers=headers)
    assert answer.json() == {**OK, "worker_id": "127.0.0.1:20001"}


def test_registering_again_renews_the_entry(site: Site) -> None:
    for _ in range(2):
        assert site.call("register", ip="10.0.0.7", port=20001)["worker_id"] == "10.0.0.7:20001"
    assert len(list(site.farm.workers.all())) == 1


def test_of_two_workers_at_one_address_a_heartbeat_without_an_id_means_neither(site: Site) -> None:
    for port in (20001, 20002):
        site.call("register", ip="", port=port)
    assert site.beat("11111") == FAILURE
    assert site.beat("127.0.0.1") == FAILURE
    assert site.beat("127.0.0.120002") == OK


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"task_id": "t", "task_state": 3}, INVALID_REQUEST),
        ({"task_id": "t", "task_result": 0}, INVALID_REQUEST),
        ({"task_id": "t", "task_state": 4, "task_result": 0}, INVALID_REQUEST),
        ({"task_id": "t", "task_state": "x", "task_result": 0}, INVALID_REQUEST),
        ({"task_id": "t", "task_state": 3, "task_result": 0}, FAILURE),
        ({"task_state": 3, "task_result": 0}, FAILURE),
        ({"task_id": "1714560000.25---segment0---task0", "task_state": 3, "task_result": 0}, FAILURE),
        ({"task_id": "9" * 400, "task_state": 3, "task_result": 0}, FAILURE),
    ],
)
def test_a_report_of_nothing_changes_nothing(site: Site, body: dict[str, Any], answer: dict[str, Any]) -> None:
    assert site.call("set_task_result", **body) == answer


def test_a_report_of_a_task_that_the_job_does_not_have_changes_nothing(site: Site) -> None:
    job = site.add(segments="0-9")
    for task in (f"{job}---segment1---task0", f"{job}---segment0---task99", f"{job}---segment0"):
        assert site.call("set_task_result", task_id=task, task_state=3, task_result=0) == FAILURE


@pytest.mark.parametrize(
    ("asked", "start", "num"),
    [
        ({"start_index": -5, "limit": 0}, 0, 1),
        ({"limit": 10**6}, 0, 3),
        ({"start_index": 2, "sortby": "colour"}, 2, 1),
        ({"start_index": "1", "limit": "1"}, 1, 1),
    ],
)
def test_a_page_is_clamped(site: Site, asked: dict[str, Any], start: int, num: int) -> None:
    made = [site.add() for _ in range(3)]
    answer = site.call("get_jobs", **asked)
    assert (answer["start_index"], answer["num_jobs"], answer["total"]) == (start, num, 3)
    assert [job["id"] for job in answer["jobs"]] == made[start : start + num]


def test_a_page_of_nonsense_is_refused(site: Site) -> None:
    assert site.call("get_jobs", start_index="x") == INVALID_REQUEST


def test_wrong_methods_and_paths_are_the_edge_s(site: Site) -> None:
    assert site.send("GET", "/master/add_job").status_code == 405
    assert site.send("GET", "/master/register").status_code == 405
    assert site.send("DELETE", "/master/get_job").status_code == 405
    assert site.send("POST", "/master/nothing").status_code == 404


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["job", "task", "job_id", "id", "ip", "port", "worker_id", "worker_port", "state", "task_state", "task_result"]
NAMES += ["src_filename", "dst_dir", "dst_format", "segments", "start_index", "limit", "result", "task_id", "progress"]
BODIES = st.dictionaries(st.sampled_from(NAMES), ANYTHING | st.dictionaries(st.sampled_from(NAMES), ANYTHING))


@pytest.mark.parametrize("path", PATHS)
def test_anything_is_answered_in_the_protocol_s_words(farm: Farm, path: str, caplog: pytest.LogCaptureFixture) -> None:
    gateway = gateway_of(the_app())

    @hypothesis_settings(max_examples=25)
    @given(BODIES)
    def send(body: dict[str, Any]) -> None:
        reply = gateway.handle_request("POST", path, {}, json.dumps(body).encode())
        assert reply["statusCode"] == 200

    send()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
