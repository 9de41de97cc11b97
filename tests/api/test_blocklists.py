"""What a worker is kept from, as people see and change it."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import workers
from tests.api.bench import Bench


def test_a_person_keeps_a_worker_from_a_job_and_lets_it_in_again(bench: Bench) -> None:
    worker, _ = bench.worker()
    bench.worker("other")
    job = bench.job()
    path = f"/workers/{worker.id}/blocklist"
    assert bench.get(path) == {"entries": []}
    entry = {"job": str(job.id), "task_type": "sleep"}
    answer = bench.call("PUT", path, {"entries": [entry]})
    assert answer.json == {"entries": [{**entry, "created_at": "2023-11-14T22:13:20.000Z"}]}
    assert bench.get(path) == answer.json
    assert workers.get(bench.farm, worker.id).blocked == {(job.id, "sleep")}
    bench.clock.advance(1000)
    assert bench.call("PUT", path, {"entries": [entry]}).json == answer.json, "what is there stays as it was"
    assert bench.call("PUT", path, {"entries": []}).json == {"entries": []}
    assert workers.get(bench.farm, worker.id).blocked == frozenset()


def test_who_is_let_in_again_has_a_clean_slate(bench: Bench) -> None:
    worker, _ = bench.worker()
    job = bench.job({"count": 3})
    given = [bench.take(worker) for _ in range(3)]
    for assignment in given:
        bench.farm.workers.note_failure(worker.id, assignment.task)
    bench.farm.workers.block(worker.id, job.id, "sleep", 0)
    bench.call("PUT", f"/workers/{worker.id}/blocklist", {"entries": []})
    assert bench.farm.workers.failed_tasks(worker.id, job.id, "sleep") == frozenset()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "entries"),
        ({"entries": [{"job": "1"}]}, "entries.0.task_type"),
        ({"entries": [{"job": 1, "task_type": "sleep"}]}, "entries.0.job"),
        ({"entries": [{"job": "x", "task_type": "sleep"}]}, "entries.0.job"),
        ({"entries": [{"job": "4711", "task_type": "sleep"}]}, "entries"),
    ],
)
def test_a_wrong_entry_changes_nothing(bench: Bench, body: dict[str, Any], field: str) -> None:
    worker, _ = bench.worker()
    job = bench.job()
    path = f"/workers/{worker.id}/blocklist"
    before = bench.call("PUT", path, {"entries": [{"job": str(job.id), "task_type": "sleep"}]}).json
    refused = bench.call("PUT", path, body)
    assert (refused.status, refused.json["field"]) == (400, field)
    assert bench.get(path) == before


def test_nobody_has_no_blocklist(bench: Bench) -> None:
    assert bench.call("GET", "/workers/4711/blocklist").status == 404
    assert bench.call("PUT", "/workers/4711/blocklist", {"entries": []}).status == 404
