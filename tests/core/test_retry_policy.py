"""What a failure means: when a task is tried again, what its exit code says, and what it costs."""

from __future__ import annotations

from typing import Any

from chalicelib.core import events, jobs, leases, sweeping, tasks, why_waiting
from chalicelib.core.lifecycle import JobStatus, Outcome, TaskStatus
from chalicelib.core.model import Assignment, Job, Task, Worker
from tests.core.conftest import Bench

LICENCE, BROKEN = 211, 3
RULES: dict[str, Any] = {
    "delay_seconds": 0,
    "exit_codes": {
        "211": {"action": "retry", "delay_seconds": 300, "counted": False},
        "3": {"action": "fail", "delay_seconds": 0, "counted": True},
    },
}


def submitted(bench: Bench, retry: dict[str, Any] | None, **wanted: Any) -> Job:
    return bench.submit({"count": 1}, retry=retry, **wanted)


def failed(bench: Bench, given: Assignment, exit_code: int | None = 1) -> Task:
    said = leases.Report(Outcome.FAILED, exit_code, "it failed")
    return leases.report(bench.farm, given.lease.worker, given.task.id, given.lease.generation, said)


def pass_time(bench: Bench, seconds: float) -> None:
    """Until the next sweep is through."""
    bench.clock.advance(round(seconds * 1000))
    sweeping.sweep(bench.farm)


def test_without_a_policy_a_failure_is_tried_again_at_once(bench: Bench) -> None:
    submitted(bench, None)
    worker = bench.worker()
    failed(bench, bench.take(worker))
    assert bench.take(worker).lease.generation == 2


def test_a_delayed_task_waits_and_then_comes_back(bench: Bench) -> None:
    job = submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
    worker = bench.worker()
    task = failed(bench, bench.take(worker))
    assert (task.status, task.failures) == (TaskStatus.WAITING, 1)
    pass_time(bench, 59)
    assert bench.claim(worker) == []
    [reason] = why_waiting.of_task(bench.farm, tasks.get(bench.farm, task.id))
    assert "tried again in 1 s" in reason.text
    pass_time(bench, 2)
    again = bench.take(worker)
    bench.report(again)
    assert jobs.get(bench.farm, job.id).status is JobStatus.COMPLETED


def test_a_look_into_every_task_does_not_bring_it_back_early(bench: Bench) -> None:
    submitted(bench, {"delay_seconds": 600, "exit_codes": {}})
    worker = bench.worker()
    failed(bench, bench.take(worker))
    sweeping.sweep(bench.farm, thorough=True)
    assert bench.claim(worker) == []


def test_a_licence_that_is_in_use_costs_no_retry_and_is_not_held_against_the_worker(bench: Bench) -> None:
    job = submitted(bench, RULES, max_retries=0)
    worker = bench.worker()
    for _ in range(5):
        task = failed(bench, bench.take(worker), LICENCE)
        assert (task.status, task.failures, task.excluded) == (TaskStatus.WAITING, 0, frozenset())
        pass_time(bench, 301)
    assert not bench.farm.workers.get(worker.id).blocked  # type: ignore[union-attr]
    task = failed(bench, bench.take(worker), 1)
    assert task.status is TaskStatus.FAILED and len(task.attempts) == 6
    assert jobs.get(bench.farm, job.id).status is JobStatus.FAILED


def test_an_exit_code_may_be_final(bench: Bench) -> None:
    submitted(bench, RULES, max_retries=9)
    task = failed(bench, bench.take(bench.worker()), BROKEN)
    assert (task.status, task.failures) == (TaskStatus.FAILED, 1)


def test_a_machine_that_went_away_is_no_exit_code(bench: Bench) -> None:
    """A lost lease is tried again at once, by whoever is there."""
    submitted(bench, {"delay_seconds": 600, "exit_codes": {}})
    lost: Worker = bench.worker("lost")
    bench.take(lost)
    pass_time(bench, 1000)
    assert bench.take(bench.worker("other")).lease.generation == 2


def test_a_job_that_is_canceled_or_paused_takes_its_delayed_tasks_along(bench: Bench) -> None:
    for decide, status in ((jobs.cancel, TaskStatus.CANCELED), (jobs.pause, TaskStatus.PAUSED)):
        job = submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
        task = failed(bench, bench.take(bench.worker()))
        decide(bench.farm, job.id)
        pass_time(bench, 61)
        assert tasks.get(bench.farm, task.id).status is status
    jobs.resume(bench.farm, job.id)
    assert bench.take(bench.worker()).task.id == task.id


def test_nothing_is_left_to_come_due(bench: Bench) -> None:
    submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
    worker = bench.worker()
    failed(bench, bench.take(worker))
    pass_time(bench, 61)
    bench.clock.advance(10**9)
    assert list(bench.farm.tasks.due(bench.clock.now())) == []


def test_a_delayed_task_shows_as_queued_in_the_counts_of_its_job(bench: Bench) -> None:
    job = submitted(bench, {"delay_seconds": 60, "exit_codes": {}})
    task = failed(bench, bench.take(bench.worker()))
    events.tasks_changed(bench.farm, [task.id])
    counts = jobs.progress(bench.farm, jobs.get(bench.farm, job.id)).counts
    assert (counts["queued"], counts["active"]) == (1, 0)
