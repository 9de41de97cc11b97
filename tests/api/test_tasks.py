"""Tasks, their attempts and logs, as clients of `/api/v1` see them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.api import tasks as room
from chalicelib.core import leases, logs
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment
from tests.api.bench import Bench


def names(bench: Bench, path: str) -> tuple[list[str], int]:
    """The names on all pages, and how many pages there were."""
    found: list[str] = []
    pages, cursor = 0, ""
    while True:
        page = bench.get(path + cursor)
        pages += 1
        found += [task["name"] for task in page["items"]]
        if page["next"] is None:
            return found, pages
        cursor = f"&cursor={page['next']}"


def test_a_waiting_task_is_shown(bench: Bench) -> None:
    job = bench.job(priority=80)
    [task] = bench.get(f"/jobs/{job.id}/tasks")["items"]
    assert task == {
        "id": task["id"],
        "job": str(job.id),
        "name": "0/0",
        "task_type": "sleep",
        "status": "queued",
        "priority": 50,
        "worker": None,
        "progress": 0,
        "activity": None,
        "attempts": [],
    }
    details = bench.get(f"/tasks/{task['id']}")
    assert {name: details[name] for name in task} == task
    assert {name: value for name, value in details.items() if name not in task} == {
        "job_name": "a job",
        "step": 0,
        "commands": [{"name": "echo", "settings": {"message": "0/0"}}],
        "inputs": [],
        "outputs": [],
        "max_seconds": None,
        "idle_seconds": None,
        "tags": [],
        "files": [],
    }


def test_a_running_task_shows_its_worker_and_the_attempt_that_runs(bench: Bench) -> None:
    worker, _ = bench.worker()
    bench.job()
    given = bench.take(worker)
    leases.renew(bench.farm, worker.id, given.task.id, given.lease.generation, 40, "half way")
    task = bench.get(f"/tasks/{given.task.id}")
    assert (task["status"], task["worker"], task["progress"]) == ("active", str(worker.id), 40)
    assert task["activity"] == "half way"
    assert task["attempts"] == [
        {
            "number": 1,
            "worker": str(worker.id),
            "outcome": None,
            "exit_code": None,
            "error": None,
            "started_at": "2023-11-14T22:13:20.000Z",
            "ended_at": None,
        }
    ]


def test_every_attempt_is_remembered(bench: Bench) -> None:
    worker, _ = bench.worker()
    bench.job()
    bench.end(bench.take(worker), Outcome.FAILED, "out of memory")
    bench.clock.advance(61_250)
    last = bench.take(worker)
    bench.end(last)
    task = bench.get(f"/tasks/{last.task.id}")
    assert (task["status"], task["worker"]) == ("completed", None)
    told = [(a["number"], a["outcome"], a["error"], a["exit_code"]) for a in task["attempts"]]
    assert told == [(1, "failed", "out of memory", 1), (2, "completed", None, 1)]
    assert task["attempts"][1]["started_at"] == "2023-11-14T22:14:21.250Z"


# ---- lists


@pytest.mark.parametrize("limit", [1, 7, 100, 250, 1000])
def test_every_task_of_every_open_step_is_listed_once_in_order(bench: Bench, limit: int) -> None:
    sizes = [3, 230, 1, 120] if limit > 1 else [3, 4, 1]
    job = bench.job(*({"count": size} for size in sizes))
    found, pages = names(bench, f"/jobs/{job.id}/tasks?limit={limit}")
    assert found == [f"{step}/{index}" for step, size in enumerate(sizes) for index in range(size)]
    assert pages == -(-sum(sizes) // limit)


def test_steps_that_are_not_open_have_no_tasks_yet(bench: Bench) -> None:
    job = bench.job({"count": 2}, {"count": 5, "after": [0]})
    assert names(bench, f"/jobs/{job.id}/tasks?limit=10") == (["0/0", "0/1"], 1)


def test_tasks_are_listed_by_status_from_wherever_they_are(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job({"count": 320})
    taken = [bench.take(worker) for _ in range(3)]
    bench.end(taken[1])
    active, pages = names(bench, f"/jobs/{job.id}/tasks?status=active&limit=1")
    assert active == [taken[0].task.name, taken[2].task.name] and pages == 2
    queued, _ = names(bench, f"/jobs/{job.id}/tasks?status=queued&limit=100")
    assert len(queued) == 317
    assert names(bench, f"/jobs/{job.id}/tasks?status=failed&limit=5") == ([], 1)


def test_a_filter_that_nothing_passes_gives_up_after_a_while_and_says_where(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_CHUNKS", 2)
    job = bench.job({"count": 500, "alike": False}, {"count": 40})
    first = bench.get(f"/jobs/{job.id}/tasks?status=failed&limit=5")
    assert first["items"] == [] and first["next"] is not None
    found, pages = names(bench, f"/jobs/{job.id}/tasks?status=failed&limit=5")
    assert found == [] and 3 <= pages <= 5
    assert len(names(bench, f"/jobs/{job.id}/tasks?limit=1000")[0]) == 540


def test_a_million_tasks_are_listed_from_either_end_in_one_page(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job({"count": 1_000_000})
    taken = bench.take(worker)
    listed = bench.get(f"/jobs/{job.id}/tasks?limit=2")
    assert [(task["name"], task["status"]) for task in listed["items"]] == [("0/0", "active"), ("0/1", "queued")]
    last = bench.get(f"/jobs/{job.id}/tasks?limit=5&cursor=0.999998")
    assert [task["name"] for task in last["items"]] == ["0/999998", "0/999999"] and last["next"] is None
    shown = bench.get(f"/tasks/{last['items'][1]['id']}")
    assert (shown["name"], shown["status"], shown["attempts"]) == ("0/999999", "queued", [])
    active = bench.get(f"/jobs/{job.id}/tasks?status=active&limit=5")
    assert [task["id"] for task in active["items"]] == [str(taken.task.id)] and active["next"] is None


@pytest.mark.parametrize("cursor", ["x", "1", "1.", "-1.0", "0.0.0", "99999.1", "0.9999999999", "٣.١"])
def test_a_cursor_of_nobody_is_refused(bench: Bench, cursor: str) -> None:
    refused = bench.call("GET", f"/jobs/{bench.job().id}/tasks?cursor={cursor}")
    assert (refused.status, refused.json["field"]) == (400, "cursor")


def test_a_cursor_beyond_the_end_gives_the_end(bench: Bench) -> None:
    page = bench.get(f"/jobs/{bench.job().id}/tasks?cursor=7.7")
    assert page == {"items": [], "next": None}


# ---- logs


@pytest.fixture
def given(bench: Bench) -> Assignment:
    worker, _ = bench.worker()
    bench.job()
    return bench.take(worker)


def write(bench: Bench, given: Assignment, text: bytes, offset: int = 0) -> None:
    task = leases.get(bench.farm, given.task.id)
    logs.append(bench.farm, task, given.lease.worker, given.lease.generation, offset, text)


def test_a_log_is_read_from_any_offset(bench: Bench, given: Assignment) -> None:
    write(bench, given, b"one\n")
    write(bench, given, "zwölf\n".encode(), 4)
    answer = bench.call("GET", f"/tasks/{given.task.id}/log")
    assert (answer.status, answer.kind) == (200, "text/plain; charset=utf-8")
    assert (answer.body.decode(), answer.headers["X-Next-Offset"]) == ("one\nzwölf\n", "11")
    rest = bench.call("GET", f"/tasks/{given.task.id}/log?offset=4")
    assert (rest.body.decode(), rest.headers["X-Next-Offset"]) == ("zwölf\n", "11")
    none = bench.call("GET", f"/tasks/{given.task.id}/log?offset=11")
    assert (none.body, none.headers["X-Next-Offset"]) == (b"", "11")


def test_a_task_that_never_ran_has_an_empty_log(bench: Bench) -> None:
    job = bench.job()
    [task] = bench.get(f"/jobs/{job.id}/tasks")["items"]
    answer = bench.call("GET", f"/tasks/{task['id']}/log")
    assert (answer.status, answer.body, answer.headers["X-Next-Offset"]) == (200, b"", "0")


def test_each_attempt_has_its_own_log(bench: Bench, given: Assignment) -> None:
    write(bench, given, b"first")
    bench.end(given, Outcome.FAILED, "no")
    worker, _ = bench.worker("other")
    write(bench, bench.take(worker), b"second")
    log = f"/tasks/{given.task.id}/log"
    assert bench.call("GET", log).body == b"second"
    assert bench.call("GET", f"{log}?attempt=1").body == b"first"
    assert bench.call("GET", f"{log}?attempt=2").body == b"second"
    missing = bench.call("GET", f"{log}?attempt=3")
    assert missing.status == 404 and "attempt 3" in missing.json["detail"]


def test_a_part_never_ends_within_a_character(bench: Bench, given: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "aé€😀" * 5
    write(bench, given, text.encode())
    monkeypatch.setattr(logs, "READ_BYTES", 9)
    parts, offset = [], 0
    while (part := bench.call("GET", f"/tasks/{given.task.id}/log?offset={offset}")).body:
        parts.append(part.body.decode())
        offset = int(part.headers["X-Next-Offset"])
    assert "".join(parts) == text and offset == len(text.encode())


def test_bytes_that_are_no_text_are_handed_on(bench: Bench, given: Assignment) -> None:
    write(bench, given, b"\xff\xfe\xe2\x82")
    first = bench.call("GET", f"/tasks/{given.task.id}/log")
    rest = bench.call("GET", f"/tasks/{given.task.id}/log?offset={first.headers['X-Next-Offset']}")
    assert first.body + rest.body == b"\xff\xfe\xe2\x82"


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "offset=1e3", "attempt=0", "attempt=one", "tail=3"])
def test_a_wrong_parameter_of_a_log_is_named(bench: Bench, given: Assignment, query: str) -> None:
    refused: Any = bench.call("GET", f"/tasks/{given.task.id}/log?{query}")
    assert (refused.status, refused.json["field"]) == (400, query.partition("=")[0])


# ---- once more


def test_a_task_that_has_ended_runs_again(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job({"count": 2})
    done = bench.take(worker)
    bench.end(done)
    again = bench.post(f"/tasks/{done.task.id}/retry")
    assert (again["id"], again["status"], len(again["attempts"])) == (str(done.task.id), "queued", 1)
    assert bench.get(f"/jobs/{job.id}")["counts"]["queued"] == 2
    refused = bench.call("POST", f"/tasks/{done.task.id}/retry", {})
    assert refused.status == 409 and "only what has ended can run again" in refused.json["detail"]


def test_tasks_of_a_job_run_again_by_their_ids(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job({"count": 3})
    for _ in range(3):
        bench.end(bench.take(worker))
    ids = [task["id"] for task in bench.get(f"/jobs/{job.id}/tasks")["items"]]
    assert bench.post(f"/jobs/{job.id}/retry", {"tasks": ids[1:]})["counts"]["queued"] == 2
    other = bench.job()
    refused = bench.call("POST", f"/jobs/{other.id}/retry", {"tasks": ids})
    assert (refused.status, refused.json["field"]) == (400, "tasks")
    refused = bench.call("POST", f"/jobs/{job.id}/retry", {"tasks": ids, "only": "failed"})
    assert (refused.status, refused.json["field"]) == (400, "only")


def test_only_what_failed_runs_again(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job({"count": 3}, max_retries=0)
    bench.end(bench.take(worker), Outcome.FAILED, "no space left")
    bench.post(f"/jobs/{job.id}/cancel")
    again = bench.post(f"/jobs/{job.id}/retry", {"only": "failed"})
    assert again["counts"]["queued"] == 1 and again["counts"]["canceled"] == 2


def test_only_what_was_canceled_runs_again(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job({"count": 3}, max_retries=0)
    bench.end(bench.take(worker), Outcome.FAILED, "no space left")
    bench.post(f"/jobs/{job.id}/cancel")
    again = bench.post(f"/jobs/{job.id}/retry", {"only": "canceled"})
    assert again["counts"]["queued"] == 2 and again["counts"]["failed"] == 1
    refused = bench.call("POST", f"/jobs/{job.id}/retry", {"only": "completed"})
    assert (refused.status, refused.json["field"]) == (400, "only")


def test_the_line_that_says_why_is_found(bench: Bench) -> None:
    worker, _ = bench.worker()
    bench.job(max_retries=0)
    given = bench.take(worker)
    assert bench.get(f"/tasks/{given.task.id}/error")["line"] is None
    text = b"begin\nError: no such camera\nend\n"
    logs.append(bench.farm, given.task, worker.id, given.lease.generation, 0, text)
    bench.end(given, Outcome.FAILED, "exited with 1")
    found = bench.get(f"/tasks/{given.task.id}/error")
    assert found == {
        "attempt": 1,
        "line": {"text": "Error: no such camera", "number": 2, "offset": 6, "before": ["begin"], "after": ["end", ""]},
        "searched_bytes": len(text),
        "complete": True,
    }
    assert bench.call("GET", f"/tasks/{given.task.id}/error?attempt=3").status == 404
