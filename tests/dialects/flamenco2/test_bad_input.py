"""Everything a worker may get wrong, row by row of the sheet's table, and anything at all."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core import blobs, jobs
from chalicelib.dialects.flamenco2 import bodies, wire
from chalicelib.edge import hexids
from tests.dialects.flamenco2.conftest import Flamenco, Site

DEEP = b"[" * 500_000 + b"]" * 500_000
NOT_JSON = [
    b"",
    b"{",
    b"nonsense",
    b"[]",
    b'"text"',
    b"null",
    b"\xff\xfe\x00",
    b'{"secret": NaN}',
    b'{"a": ' + b"9" * 5000 + b"}",
    DEEP,
    b'{"x":' + DEEP + b"}",
]
WRONG_TYPES: list[Any] = [
    {"nickname": 7},
    {"platform": ["linux"]},
    {"supported_task_types": "sleep"},
    {"supported_task_types": [1]},
    {"supported_task_types": {"sleep": True}},
]


@pytest.fixture
def worker(site: Site) -> Flamenco:
    return site.worker()


def ids(value: Any) -> str:
    return repr(value)[:30]


@pytest.mark.parametrize("body", NOT_JSON, ids=ids)
def test_what_is_not_json_is_refused_where_that_harms_nobody(site: Site, worker: Flamenco, body: bytes) -> None:
    calls = (
        site.post("/register-worker", data=body),
        worker.post("/sign-on", data=body),
        worker.post("/output-produced", data=body),
    )
    for answer in calls:
        assert answer.status_code == 400
        assert answer.text.startswith("Unable to decode JSON: ")
        assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("body", [{"secret": 1}, *WRONG_TYPES], ids=ids)
def test_a_wrong_type_is_refused_and_changes_nothing(site: Site, worker: Flamenco, body: Any) -> None:
    assert site.post("/register-worker", body).status_code == 400
    assert worker.post("/sign-on", body).status_code == 400
    assert len(site.get("/as-json").json()["workers"]) == 1


def test_only_the_first_value_counts_and_unknown_keys_are_ignored(site: Site, worker: Flamenco) -> None:
    body = b' {"nickname": "first", "colour": 3, "nickname": "last", "platform": null} {"nickname": "second"} rest'
    assert worker.post("/sign-on", data=body).status_code == 204
    assert site.seen(worker)["nickname"] == "last"


@pytest.mark.parametrize("body", [*NOT_JSON, b'{"task_status": "completed"' + b" " * 100], ids=ids)
def test_an_update_is_never_refused_for_its_body(site: Site, worker: Flamenco, body: bytes) -> None:
    job = site.submit()
    task = worker.take()
    answer = worker.post(f"/tasks/{task['_id']}/update", data=body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert site.statuses(job) == ["active"]


def test_what_cannot_be_used_of_an_update_is_dropped(site: Site, worker: Flamenco) -> None:
    site.submit()
    task = worker.take()
    said = {
        "_id": "x",
        "task_id": 4711,
        "worker": "somebody else",
        "activity": ["busy"],
        "task_progress_percentage": 41.7,
        "current_command_idx": "one",
        "metrics": {"timing": {"total": "long", "render": 1.5}},
        "log": 17,
    }
    assert worker.says(task, **said) == 204
    found = site.task(task["_id"])
    assert found.progress == 42 and found.activity.startswith("Manager assigned task")
    for percent, shown in ((-5, 0), (1e300, 100), (True, 100), ("12", 100), (10**400, 100)):
        assert worker.says(task, task_progress_percentage=percent) == 204
        assert site.task(task["_id"]).progress == shown


def test_an_unknown_status_is_ignored(site: Site, worker: Flamenco) -> None:
    job = site.submit()
    task = worker.take()
    for word in ("finished", "soft-failed", "cancel-requested", "queued", "", 7, None, "COMPLETED"):
        assert worker.says(task, task_status=word, activity="here") == 204
        assert site.statuses(job) == ["active"]
    assert site.task(task["_id"]).activity == "here"


def test_an_update_without_a_field_only_pings(site: Site, worker: Flamenco) -> None:
    site.submit()
    task = worker.take()
    site.clock.ahead_ms += 300_000
    before = site.task(task["_id"]).lease
    assert worker.says(task) == 204
    after = site.task(task["_id"]).lease
    assert before is not None and after is not None and after.due_at > before.due_at


def test_ids_of_other_kinds_name_no_task(site: Site, worker: Flamenco) -> None:
    job = site.submit()
    task = worker.take()
    blob = blobs.store(site.farm, io.BytesIO(b"x"), 1, hashlib.sha256(b"x").hexdigest())
    shaped = [hexids.hex_of(n) for n in (job.id, blob.id)] + [worker.id, hexids.constant(1), "f" * 24, "0" * 24]
    unshaped = [str(job.first_task), "x", "65f1", task["_id"] + "0", "%F0%9F%90%8C", "%2e%2e", "-1"]
    for task_id in shaped:
        answer = worker.post(f"/tasks/{task_id}/update", {"task_status": "completed"})
        assert (answer.status_code, answer.text) == (404, f"Task {task_id} is unknown.")
        assert worker.post(f"/tasks/{task_id}/return").status_code == 404
        assert worker.may_run({"_id": task_id})["reason"] == f"unable to find task {task_id}"
    for task_id in unshaped:
        for call in ("update", "return"):
            answer = worker.post(f"/tasks/{task_id}/{call}", {})
            assert answer.status_code == 404 and answer.text.startswith("Invalid ObjectID used for task-id: ")
        assert worker.may_run({"_id": task_id})["may_keep_running"] is False
    assert site.statuses(job) == ["active"]


def test_ids_may_be_in_upper_case(site: Site, worker: Flamenco) -> None:
    job = site.submit()
    task = worker.take()
    assert worker.says({"_id": task["_id"].upper()}, "completed") == 204
    assert site.statuses(job) == ["completed"]


@pytest.mark.parametrize("body", [{}, {"paths": []}, {"paths": None}, {"paths": [""]}], ids=ids)
def test_no_paths_are_too_few(worker: Flamenco, body: Any) -> None:
    answer = worker.post("/output-produced", body)
    assert (answer.status_code, answer.text) == (422, "List of paths may not be empty.")


@pytest.mark.parametrize("body", [{"paths": "x"}, {"paths": [1]}, {"paths": {}}], ids=ids)
def test_wrong_paths_are_malformed(worker: Flamenco, body: Any) -> None:
    assert worker.post("/output-produced", body).status_code == 400


def test_a_body_of_any_content_type_is_read(site: Site, worker: Flamenco) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "?"):
        headers = {"Content-Type": kind}
        body = json.dumps({"nickname": f"n {kind}"})
        assert worker.post("/sign-on", data=body, headers=headers).status_code == 204
        assert site.seen(worker)["nickname"] == f"n {kind}"


def test_names_are_made_printable_and_short(site: Site, worker: Flamenco) -> None:
    said = {"nickname": "a\x00b\ud800\n" + "c" * 500, "supported_task_types": ["sleep", "sleep", "", "x" * 300]}
    assert worker.post("/sign-on", said).status_code == 204
    shown = site.seen(worker)
    assert shown["nickname"] == "ab?" + "c" * 197
    assert shown["supported_task_types"] == ["sleep", "x" * 200]


def test_a_huge_update_is_kept_and_a_larger_one_is_taken_and_dropped(site: Site, worker: Flamenco) -> None:
    site.submit()
    task = worker.take()
    lines = "line\n" * 1_000_000
    assert worker.says(task, log=lines) == 204
    assert len(site.log(task)) > len(lines)
    assert worker.says(task, log="x" * bodies.LARGEST_UPDATE_BYTES) == 204
    assert len(site.log(task)) < 2 * len(lines)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "action must be one of"),
        ({"action": "dance"}, "action must be one of"),
        ({"action": "set-status"}, "status must be one of"),
        ({"action": "set-status", "status": "testing"}, "status must be one of"),
        ({"action": "ack-timeout"}, "not in timeout"),
        ({"action": "forget-blacklist-line", "job_id": "x"}, "no such job"),
    ],
    ids=ids,
)
def test_a_wrong_action_is_refused(site: Site, worker: Flamenco, form: dict[str, str], says: str) -> None:
    answer = site.post(f"/worker-action/{worker.id}", data=form)
    assert answer.status_code == 400 and says in answer.text


def test_actions_on_nobody(site: Site) -> None:
    for path in ("/worker-action/", "/set-sleep-schedule/"):
        options: dict[str, Any] = {"json": {}} if "sleep" in path else {"data": {"action": "shutdown"}}
        assert site.post(path + "4711", **options).status_code == 400
        assert site.post(path + "f" * 24, **options).status_code == 404


def test_a_schedule_is_json_and_right(site: Site, worker: Flamenco) -> None:
    path = f"/set-sleep-schedule/{worker.id}"
    assert site.post(path, data="{}").status_code == 406
    for wrong in ({"schedule_active": "yes"}, {"days_of_week": "mo xx"}, {"time_start": "24:00"}, {"time_end": "8"}):
        assert site.post(path, wrong).status_code == 400
    assert site.seen(worker)["sleep_schedule"] == {"schedule_active": False}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NAMES = ("task_status", "activity", "task_progress_percentage", "metrics", "log", "secret", "nickname", "platform")
BODIES = st.dictionaries(st.sampled_from((*NAMES, "supported_task_types", "paths")), JSON).map(
    lambda body: json.dumps(body).encode()
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=st.binary(max_size=200) | BODIES)
def test_nothing_that_is_sent_breaks_anything(site: Site, worker: Flamenco, body: bytes) -> None:
    task = worker.ask()
    if task is None:
        site.submit(20)
        task = worker.take()
    assert site.post("/register-worker", data=body).status_code in (200, 400)
    assert worker.post("/output-produced", data=body).status_code in (204, 400, 422)
    assert worker.post(f"/tasks/{task['_id']}/update", data=body).status_code == 204
    assert worker.may_run(task)["may_keep_running"] in (True, False)


@given(data=st.binary(max_size=300) | BODIES)
def test_whatever_an_update_says_something_can_be_made_of_it(data: bytes) -> None:
    said = wire.update(data)
    said.log.encode()
    assert said.percent is None or 0 <= said.percent <= 100


def test_a_canceled_job_takes_no_harm_from_late_words(site: Site, worker: Flamenco) -> None:
    job = site.submit()
    task = worker.take()
    jobs.cancel(site.farm, job.id)
    worker.give_back(task)
    for status in ("active", "completed", "failed", "canceled"):
        assert worker.says(task, status, log="late") == 204
        assert site.statuses(job) == ["canceled"]
