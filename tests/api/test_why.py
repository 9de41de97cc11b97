"""The questions why, as clients of `/api/v1` ask them."""

from __future__ import annotations

import pytest

from tests.api.bench import Bench


def test_why_a_job_and_its_task_wait(bench: Bench) -> None:
    job = bench.job()
    bench.worker("somebody")
    [task] = bench.get(f"/jobs/{job.id}/tasks")["items"]
    expected = {"reasons": [{"code": "next-call", "text": "free, and take it with their next call: somebody"}]}
    assert bench.get(f"/tasks/{task['id']}/why") == expected
    assert bench.get(f"/jobs/{job.id}/why") == expected


def test_why_a_worker_is_idle(bench: Bench) -> None:
    worker, _ = bench.worker()
    [reason] = bench.get(f"/workers/{worker.id}/why")["reasons"]
    assert reason["code"] == "nothing-queued"


@pytest.mark.parametrize("noun", ["jobs", "tasks", "workers"])
def test_there_is_no_why_of_what_is_not_there(bench: Bench, noun: str) -> None:
    assert bench.call("GET", f"/{noun}/12345/why").status == 404
