"""Jobs, as clients of `/api/v1` see them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import access
from chalicelib.core.lifecycle import Outcome
from tests.api.bench import Bench

LADDER = {"name": "climb", "type": "ladder", "settings": {"rungs": [{"count": 2}]}}
NO_TASKS = dict.fromkeys(("waiting", "queued", "active", "paused", "completed", "failed", "canceled"), 0)


def test_a_submitted_job_is_answered_whole(bench: Bench) -> None:
    answer = bench.call("POST", "/jobs", LADDER)
    job = answer.json
    assert answer.status == 201 and answer.kind == "application/json"
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert job == {
        "id": job["id"],
        "name": "climb",
        "type": "ladder",
        "owner": None,
        "status": "queued",
        "priority": 50,
        "tags": [],
        "settings": {"rungs": [{"count": 2}]},
        "counts": {**NO_TASKS, "queued": 2},
        "progress": 0,
        "outputs": [],
        "error": None,
        "created_at": "2023-11-14T22:13:20.000Z",
        "started_at": None,
        "finished_at": None,
        "steps": [
            {
                "name": "rung 0",
                "status": "open",
                "parents": [],
                "trails": None,
                "count": 2,
                "completed": 0,
                "failed": 0,
                "canceled": 0,
            }
        ],
        "retry": {"delay_seconds": 0, "exit_codes": {}},
        "after": [],
        "max_workers": None,
        "max_retries": 3,
        "on_failure": "continue",
    }
    assert bench.get(f"/jobs/{job['id']}") == job


def test_a_job_belongs_to_whose_token_it_was_submitted_with(bench: Bench) -> None:
    bench.serve(auth="token")
    tokens = {name: access.make_token(bench.farm, name, ["operate"])[1] for name in ("ann", "ben")}
    made = [
        bench.post("/jobs", {**LADDER, "name": f"{name} {n}"}, Authorization=f"Bearer {tokens[name]}")
        for n in range(3)
        for name in ("ann", "ben")
    ]
    assert [job["owner"] for job in made] == ["ann", "ben"] * 3
    asks = {"Authorization": f"Bearer {tokens['ben']}"}
    first = bench.get("/jobs?owner=ann&limit=2", **asks)
    rest = bench.get(f"/jobs?owner=ann&cursor={first['next']}", **asks)
    assert [job["name"] for job in first["items"] + rest["items"]] == ["ann 2", "ann 1", "ann 0"]
    bench.call("POST", f"/jobs/{made[0]['id']}/cancel", **asks)
    assert [job["name"] for job in bench.get("/jobs?owner=ann&status=canceled", **asks)["items"]] == ["ann 0"]
    assert bench.call("DELETE", f"/jobs/{made[0]['id']}", **asks).status == 204
    assert [job["name"] for job in bench.get("/jobs?owner=ann", **asks)["items"]] == ["ann 2", "ann 1"]
    assert bench.get("/jobs?owner=nobody", **asks)["items"] == []


def test_all_that_may_be_wished_of_a_job_reaches_it(bench: Bench) -> None:
    wanted = {**LADDER, "priority": 90, "tags": ["gpu", "-slow"], "max_retries": 0, "on_failure": "stop"}
    job = bench.post("/jobs", wanted)
    kept = bench.farm.jobs.get(int(job["id"]))
    assert kept is not None
    assert (job["priority"], job["tags"]) == (90, ["gpu", "-slow"])
    assert (kept.priority, kept.tags, kept.max_retries, kept.on_failure) == (90, ("gpu", "-slow"), 0, "stop")


def test_what_failures_mean_is_kept_with_the_job(bench: Bench) -> None:
    retry = {
        "delay_seconds": 60,
        "exit_codes": {"211": {"delay_seconds": 300, "counted": False}, "3": {"action": "fail"}},
    }
    job = bench.post("/jobs", {**LADDER, "retry": retry})
    whole = {
        "211": {"action": "retry", "delay_seconds": 300, "counted": False},
        "3": {"action": "fail", "delay_seconds": 0, "counted": True},
    }
    assert bench.get(f"/jobs/{job['id']}")["retry"] == {"delay_seconds": 60, "exit_codes": whole}
    assert bench.call("POST", "/jobs", {**LADDER, "retry": {"exit_codes": {"x": {}}}}).status == 400
    assert bench.call("POST", "/jobs", {**LADDER, "retry": {"delay_seconds": -1}}).status == 400


def test_progress_and_outcome_are_told(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.post("/jobs", {**LADDER, "max_retries": 0})
    bench.clock.advance(1500)
    first = bench.take(worker)
    bench.end(first)
    bench.hear(first, bench.take(worker))
    shown = bench.get(f"/jobs/{job['id']}")
    assert shown["status"] == "active" and shown["started_at"] == "2023-11-14T22:13:21.500Z"
    assert shown["counts"] == {**NO_TASKS, "active": 1, "completed": 1}


def test_the_same_idempotency_key_gives_the_same_job(bench: Bench) -> None:
    first = bench.post("/jobs", LADDER, Idempotency_Key="k1")
    again = bench.post("/jobs", LADDER, Idempotency_Key="k1")
    other = bench.post("/jobs", LADDER, Idempotency_Key="k2")
    assert first["id"] == again["id"] != other["id"]
    assert len(bench.get("/jobs")["items"]) == 2


def test_an_idempotency_key_is_not_reused_for_another_job(bench: Bench) -> None:
    bench.post("/jobs", LADDER, Idempotency_Key="k1")
    refused = bench.call("POST", "/jobs", {**LADDER, "priority": 51}, Idempotency_Key="k1")
    assert refused.status == 409 and "Idempotency-Key" in refused.json["detail"]


@pytest.mark.parametrize("key", ["", "x" * 201, "with\ttab", "ké"])
def test_a_key_that_cannot_be_kept_is_refused(bench: Bench, key: str) -> None:
    refused = bench.call("POST", "/jobs", LADDER, Idempotency_Key=key)
    assert (refused.status, refused.json["field"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"type": "nonsense"}, "type"),
        ({"priority": "5"}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 5.0}, "priority"),
        ({"priority": 101}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": None}, "priority"),
        ({"tags": "gpu"}, "tags"),
        ({"tags": [1]}, "tags.0"),
        ({"tags": ["+"]}, "tags"),
        ({"settings": []}, "settings"),
        ({"settings": {"rungs": 3}}, "settings.rungs"),
        ({"max_retries": 101}, "max_retries"),
        ({"on_failure": "explode"}, "on_failure"),
        ({"prioriti": 3}, "prioriti"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_kept(bench: Bench, change: dict[str, Any], field: str) -> None:
    refused = bench.call("POST", "/jobs", {**LADDER, **change})
    assert (refused.status, refused.kind) == (400, "application/problem+json")
    assert refused.json["field"] == field
    assert refused.json["title"] == "Bad Request" and refused.json["status"] == 400
    assert bench.get("/jobs")["items"] == []


def test_all_wrong_fields_are_named_at_once(bench: Bench) -> None:
    problem = bench.call("POST", "/jobs", {"name": 3, "tag": []}).json
    assert [error["field"] for error in problem["errors"]] == ["name", "type", "tag"]
    assert "tags" in problem["errors"][2]["detail"]


def test_an_unknown_job_type_is_answered_with_those_there_are(bench: Bench) -> None:
    problem = bench.call("POST", "/jobs", {**LADDER, "type": "blender"}).json
    assert "ladder" in problem["detail"] and "transcode" in problem["detail"]


def test_a_job_must_not_name_a_blob_that_is_not_there(bench: Bench) -> None:
    wanted = {"name": "f", "type": "function", "settings": {"code": "12345", "runtime": "python3", "input": "12346"}}
    refused = bench.call("POST", "/jobs", wanted)
    assert (refused.status, refused.json["field"]) == (400, "settings.code")
    assert "12345" in refused.json["detail"]


# ---- lists


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "transcod"}, "type"),
        ({"settings": {"runtime": "python3", "cod": "1"}}, "settings.cod"),
        ({"settings": {"code": "1"}}, "settings.runtime"),
        ({"priority": 101}, "priority"),
        ({"after": ["12"]}, "after"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_submission_is_checked_before_its_files_are_there(bench: Bench, change: dict[str, Any], field: str) -> None:
    wanted = {"name": "sum", "type": "function", "settings": {"runtime": "python3", "code": "1", "input": "2"}}
    assert bench.call("POST", "/jobs", wanted).status == 400, "its blobs are not there"
    assert bench.call("POST", "/jobs/check", wanted).status == 204
    checked, submitted = (bench.call("POST", path, {**wanted, **change}) for path in ("/jobs/check", "/jobs"))
    assert (checked.status, checked.json["field"]) == (400, field)
    assert checked.json == submitted.json, "in the same words"
    assert bench.get("/jobs")["items"] == []


def test_jobs_are_listed_newest_first_page_by_page(bench: Bench) -> None:
    ids = [str(bench.job(name=f"job {n}").id) for n in range(5)]
    seen, cursor = [], ""
    while True:
        page = bench.get(f"/jobs?limit=2{cursor}")
        seen += [job["id"] for job in page["items"]]
        assert len(page["items"]) <= 2
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ids[::-1]


def test_jobs_are_listed_by_status(bench: Bench) -> None:
    held, free = bench.job(), bench.job()
    bench.post(f"/jobs/{held.id}/pause")
    assert [job["id"] for job in bench.get("/jobs?status=paused")["items"]] == [str(held.id)]
    assert [job["id"] for job in bench.get("/jobs?status=queued")["items"]] == [str(free.id)]


def test_a_list_leaves_large_settings_out(bench: Bench) -> None:
    tasks = [{"name": f"t{n}", "task_type": "sleep", "commands": [{"name": "echo"}]} for n in range(100)]
    job = bench.post("/jobs", {"name": "many", "type": "commands", "settings": {"tasks": tasks}})
    assert bench.get("/jobs")["items"][0]["settings"] is None
    assert bench.get(f"/jobs/{job['id']}")["settings"] == {"tasks": tasks}


def test_settings_kept_as_an_object_are_shown_and_their_loss_hides_no_job(bench: Bench) -> None:
    commands = [{"name": "echo", "settings": {"message": "x" * 50_000}}]
    tasks = [{"name": f"t{n}", "task_type": "sleep", "commands": commands} for n in range(3)]
    job = bench.post("/jobs", {"name": "large", "type": "commands", "settings": {"tasks": tasks}})
    kept = bench.farm.jobs.get(int(job["id"]))
    assert kept is not None and kept.settings_key is not None
    assert bench.get(f"/jobs/{job['id']}")["settings"] == {"tasks": tasks}
    bench.farm.objects.delete(kept.settings_key)
    assert bench.get(f"/jobs/{job['id']}")["settings"] is None


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("limit=0", "limit", "1 to 1000"),
        ("limit=1001", "limit", "1 to 1000"),
        ("limit=ten", "limit", "1 to 1000"),
        ("limit=", "limit", "1 to 1000"),
        ("limit=%D9%A3", "limit", "1 to 1000"),
        ("status=done", "status", "compiling, queued, active, paused, completed, failed, canceled"),
        ("cursor=nonsense", "cursor", "cursor"),
        ("stauts=failed", "stauts", "status"),
        ("owner=", "owner", "1 to 200"),
    ],
)
def test_a_wrong_parameter_is_named(bench: Bench, query: str, field: str, told: str) -> None:
    refused = bench.call("GET", f"/jobs?{query}")
    assert (refused.status, refused.json["field"]) == (400, field)
    assert told in refused.json["detail"]


# ---- steering


def test_pause_and_resume(bench: Bench) -> None:
    job = bench.job({"count": 3})
    paused = bench.post(f"/jobs/{job.id}/pause", {})
    assert paused["status"] == "paused" and paused["counts"]["paused"] == 3
    assert bench.post(f"/jobs/{job.id}/resume")["status"] == "queued"


def test_cancel_and_retry(bench: Bench) -> None:
    job = bench.job({"count": 3})
    canceled = bench.post(f"/jobs/{job.id}/cancel")
    assert canceled["status"] == "canceled" and canceled["counts"]["canceled"] == 3
    assert canceled["finished_at"] is not None
    again = bench.post(f"/jobs/{job.id}/retry")
    assert again["status"] == "queued" and again["counts"]["queued"] == 3
    assert again["finished_at"] is None and again["error"] is None


def test_a_failed_job_says_why(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job(max_retries=0)
    bench.end(bench.take(worker), Outcome.FAILED, "the disk is full")
    failed = bench.get(f"/jobs/{job.id}")
    assert failed["status"] == "failed" and failed["error"] and failed["counts"]["failed"] == 1


@pytest.mark.parametrize("verb", ["resume", "retry"])
def test_what_the_state_does_not_allow_is_a_conflict(bench: Bench, verb: str) -> None:
    job = bench.job()
    refused = bench.call("POST", f"/jobs/{job.id}/{verb}")
    assert (refused.status, refused.kind) == (409, "application/problem+json")
    assert "queued" in refused.json["detail"]


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_steering_takes_no_fields(bench: Bench, verb: str) -> None:
    refused = bench.call("POST", f"/jobs/{bench.job().id}/{verb}", {"why": "because"})
    assert (refused.status, refused.json["field"]) == (400, "why")


def test_name_and_priority_can_be_changed(bench: Bench) -> None:
    job = bench.job()
    changed = bench.call("PATCH", f"/jobs/{job.id}", {"name": "renamed", "priority": 0})
    assert (changed.status, changed.json["name"], changed.json["priority"]) == (200, "renamed", 0)
    only_name = bench.call("PATCH", f"/jobs/{job.id}", {"name": "again"}).json
    assert (only_name["name"], only_name["priority"]) == ("again", 0)
    assert bench.call("PATCH", f"/jobs/{job.id}", {}).json["name"] == "again"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "paused"}, "status"),
        ({"priority": 101}, "priority"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
    ],
)
def test_nothing_else_can_be_changed(bench: Bench, body: dict[str, Any], field: str) -> None:
    job = bench.job()
    refused = bench.call("PATCH", f"/jobs/{job.id}", body)
    assert (refused.status, refused.json["field"]) == (400, field)
    assert bench.get(f"/jobs/{job.id}")["name"] == "a job"


def test_an_ended_job_is_deleted_with_its_tasks(bench: Bench) -> None:
    job = bench.job()
    assert bench.call("DELETE", f"/jobs/{job.id}").status == 409
    bench.post(f"/jobs/{job.id}/cancel")
    [task] = bench.get(f"/jobs/{job.id}/tasks")["items"]
    deleted = bench.call("DELETE", f"/jobs/{job.id}")
    assert (deleted.status, deleted.body) == (204, b"")
    assert bench.call("GET", f"/jobs/{job.id}").status == 404
    assert bench.call("GET", f"/tasks/{task['id']}").status == 404
    assert bench.call("DELETE", f"/jobs/{job.id}").status == 404


@pytest.mark.parametrize("text", ["1", "nope", "0", "-1", "1.0", "%31%32", "99999999999999999999", "%D9%A3", "..%2F.."])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/{}"),
        ("PATCH", "/jobs/{}"),
        ("DELETE", "/jobs/{}"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/pause"),
        ("POST", "/jobs/{}/resume"),
        ("POST", "/jobs/{}/retry"),
        ("GET", "/jobs/{}/tasks"),
        ("GET", "/tasks/{}"),
        ("GET", "/tasks/{}/log"),
        ("GET", "/workers/{}"),
        ("POST", "/workers/{}/status"),
        ("GET", "/blobs/{}"),
        ("GET", "/blobs/{}/content"),
    ],
)
def test_what_is_not_there_is_not_found(bench: Bench, method: str, path: str, text: str) -> None:
    body = {"status": "awake"} if path.endswith("status") else {}
    answer = bench.call(method, path.format(text), body if method in ("POST", "PATCH") else None)
    assert (answer.status, answer.kind) == (404, "application/problem+json")
    assert answer.json["title"] == "Not Found" and answer.json["detail"].startswith("no such ")
