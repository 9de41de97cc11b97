"""What becomes of a task in the hands of a worker."""

from __future__ import annotations

import pytest

from chalicelib.core import jobs, leases, sweeping
from chalicelib.core.errors import LeaseLost
from chalicelib.core.lifecycle import Outcome, TaskStatus
from tests.core.conftest import Bench


def test_a_completed_task_completes_its_job(bench: Bench) -> None:
    job = bench.submit()
    done = bench.report(bench.take(bench.worker()))
    assert (done.status, done.attempts[0].outcome) == (TaskStatus.COMPLETED, Outcome.COMPLETED)
    assert bench.job(job).status == "completed"


def test_a_repeated_report_changes_nothing_and_succeeds(bench: Bench) -> None:
    bench.submit()
    assignment = bench.take(bench.worker())
    first = bench.report(assignment)
    assert bench.report(assignment) == first


def test_a_repeated_report_of_something_else_is_refused(bench: Bench) -> None:
    bench.submit()
    assignment = bench.take(bench.worker())
    bench.report(assignment)
    with pytest.raises(LeaseLost):
        bench.fail(assignment)


def test_a_late_worker_gets_lease_lost_and_overwrites_nothing(bench: Bench) -> None:
    job = bench.submit()
    late, quick = bench.worker("late"), bench.worker("quick")
    old = bench.take(late)
    bench.clock.advance(211_000)
    sweeping.sweep(bench.farm)
    new = bench.take(quick)
    with pytest.raises(LeaseLost):
        bench.report(old)
    with pytest.raises(LeaseLost):
        leases.renew(bench.farm, late.id, old.task.id, old.lease.generation, 50, None)
    bench.report(new)
    [task] = bench.tasks(job)
    assert [(a.worker, a.outcome) for a in task.attempts] == [
        (late.id, Outcome.LOST),
        (quick.id, Outcome.COMPLETED),
    ]


def test_a_lease_ends_for_the_manager_after_it_ended_for_the_worker(bench: Bench) -> None:
    job = bench.submit()
    assignment = bench.take(bench.worker())
    bench.clock.advance(int(assignment.seconds * 1000) + 60_000)
    assert sweeping.sweep(bench.farm).expired == 0
    bench.clock.advance(31_000)
    assert sweeping.sweep(bench.farm).expired == 1
    assert bench.counts(job) == {"queued": 1}


def test_a_renewed_lease_does_not_expire(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    assignment = bench.take(worker)
    for _ in range(10):
        bench.clock.advance(40_000)
        task = leases.renew(bench.farm, worker.id, assignment.task.id, assignment.lease.generation, None, None)
        assert leases.seconds_left(bench.farm, task) == 120
        assert sweeping.sweep(bench.farm).expired == 0


def test_progress_is_kept_and_shown(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    assignment = bench.take(worker)
    task = leases.renew(bench.farm, worker.id, assignment.task.id, assignment.lease.generation, 42, "frame 7")
    assert (task.progress, task.activity) == (42, "frame 7")


def test_only_failed_and_lost_attempts_spend_a_retry(bench: Bench) -> None:
    job = bench.submit(max_retries=1)
    worker = bench.worker()
    for outcome in (Outcome.RELEASED, Outcome.INTERRUPTED, Outcome.RELEASED, Outcome.FAILED):
        assert bench.report(bench.take(worker), outcome).status is TaskStatus.QUEUED
    assert bench.fail(bench.take(worker)).status is TaskStatus.FAILED
    assert bench.job(job).status == "failed"


def test_a_lost_task_of_a_canceled_job_is_not_queued_again(bench: Bench) -> None:
    job = bench.submit({"count": 2})
    bench.take(bench.worker())
    jobs.cancel(bench.farm, job.id)
    bench.clock.advance(211_000)
    sweeping.sweep(bench.farm)
    assert bench.counts(job) == {"canceled": 2}
    assert bench.job(job).settled


def test_a_task_given_back_to_a_paused_job_waits_for_its_resume(bench: Bench) -> None:
    job = bench.submit()
    worker = bench.worker()
    assignment = bench.take(worker)
    jobs.pause(bench.farm, job.id)
    assert bench.report(assignment, Outcome.RELEASED).status is TaskStatus.PAUSED
    assert bench.claim(worker) == []
    jobs.resume(bench.farm, job.id)
    assert bench.take(worker).task.id == assignment.task.id
