"""Tasks that nobody is left to try, workers that leave, logs that are appended to, leases of other lengths."""

from __future__ import annotations

import pytest

from chalicelib.core import claiming, declining, giving_up, jobs, leases, leaving, logs, sweeping, workers
from chalicelib.core.errors import NotFound
from chalicelib.core.lifecycle import JobStatus, Outcome, TaskStatus
from chalicelib.core.model import Assignment, Worker
from tests.core.conftest import Bench


def test_a_failure_is_final_when_nobody_else_may_try(bench: Bench) -> None:
    bench.submit()
    only = bench.worker()
    bench.worker("other", "debug")
    assignment = bench.take(only)
    assert giving_up.would_be_final(bench.farm, only, assignment.task) == "no other worker may try it"
    other = bench.worker("third")
    assert giving_up.would_be_final(bench.farm, only, assignment.task) is None
    bench.farm.workers.block(other.id, assignment.task.job, "sleep", 0)
    assert giving_up.would_be_final(bench.farm, only, assignment.task) == "no other worker may try it"


def test_who_declined_a_task_has_not_failed_it(bench: Bench) -> None:
    bench.submit()
    one, other = bench.worker("one"), bench.worker("other")
    declining.decline(bench.farm, bench.take(one).task, "no")
    assert giving_up.failed_on(bench.take(other).task) == frozenset()


def test_what_is_pinned_to_a_worker_that_declines_it_has_failed(bench: Bench) -> None:
    only = bench.worker("only", "exec")
    settings = {"argv": ["true"], "worker": str(only.id)}
    job = jobs.submit(bench.farm, jobs.Submission("a program", "command", settings))
    declining.decline(bench.farm, bench.take(only).task, "no")
    assert bench.job(job).status is JobStatus.FAILED
    [task] = bench.tasks(job)
    assert (task.status, task.attempts[-1].error) == (TaskStatus.FAILED, "no")


def test_what_failed_before_has_failed_when_everybody_is_blocked(bench: Bench) -> None:
    job = bench.submit({"count": 2})
    one, other = bench.worker("one"), bench.worker("other")
    failed = bench.fail(bench.take(one))
    for worker in (one, other):
        bench.farm.workers.block(worker.id, job.id, "sleep", 0)
    giving_up.after_a_block(bench.farm, workers.get(bench.farm, one.id), failed)
    assert [task.status for task in bench.tasks(job)] == [TaskStatus.FAILED, TaskStatus.QUEUED]
    assert bench.counts(job) == {"failed": 1, "queued": 1}


def test_nothing_is_given_up_while_one_is_not_blocked(bench: Bench) -> None:
    job = bench.submit()
    one = bench.worker("one")
    bench.worker("other")
    failed = bench.fail(bench.take(one))
    bench.farm.workers.block(one.id, job.id, "sleep", 0)
    giving_up.after_a_block(bench.farm, workers.get(bench.farm, one.id), failed)
    assert bench.counts(job) == {"queued": 1}


def test_a_worker_that_never_takes_what_it_failed(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    bench.fail(bench.take(worker))
    assert claiming.claim(bench.farm, worker, "r", takes_excluded=False).assignments == ()
    assert len(claiming.claim(bench.farm, worker, "s").assignments) == 1


def take_for(bench: Bench, worker: Worker, seconds: float) -> Assignment:
    [assignment] = claiming.claim(bench.farm, worker, "long", lease_seconds=seconds).assignments
    return assignment


def test_a_protocol_has_leases_of_its_own_length(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    assignment = take_for(bench, worker, 600)
    assert assignment.seconds == 600
    bench.clock.advance(100_000)
    said = (worker.id, assignment.task.id, assignment.lease.generation, None, None)
    task = leases.renew(bench.farm, *said, lease_seconds=600)
    assert leases.seconds_left(bench.farm, task) == 600


def test_a_lease_is_shortened_only_for_what_is_to_stop(bench: Bench) -> None:
    job = bench.submit()
    assignment = take_for(bench, bench.worker(), 600)
    leases.shorten(bench.farm, assignment.task, 30)
    assert leases.get(bench.farm, assignment.task.id).lease == assignment.lease
    jobs.cancel(bench.farm, job.id)
    leases.shorten(bench.farm, leases.get(bench.farm, assignment.task.id), 30)
    bench.clock.advance(29_000)
    leases.shorten(bench.farm, leases.get(bench.farm, assignment.task.id), 30)  # told again: no second reprieve
    bench.clock.advance(2_000)
    assert sweeping.sweep(bench.farm).expired == 1
    assert bench.counts(job) == {"canceled": 1}


def test_the_end_of_a_log_is_where_its_last_chunk_ends(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    assignment = bench.take(worker)
    task, generation = assignment.task, assignment.lease.generation
    assert logs.end(bench.farm, task, generation) == 0
    for number in range(2 * logs.PAGE_CHUNKS + 5):
        logs.append(bench.farm, task, worker.id, generation, 3 * number, b"ab\n")
    assert logs.end(bench.farm, task, generation) == 3 * (2 * logs.PAGE_CHUNKS + 5)
    assert logs.read(bench.farm, task, None, 0).data == b"ab\n" * (2 * logs.PAGE_CHUNKS + 5)


def test_a_removed_worker_leaves_nothing_behind(bench: Bench) -> None:
    job = bench.submit({"count": 2})
    worker = bench.worker()
    bench.fail(bench.take(worker))
    bench.farm.workers.block(worker.id, job.id, "sleep", 0)
    bench.farm.workers.unblock(worker.id, job.id, "debug")
    held = bench.take(bench.worker("other"))
    leaving.forget(bench.farm, worker.id)
    with pytest.raises(NotFound):
        workers.get(bench.farm, worker.id)
    leaving.forget(bench.farm, held.lease.worker)
    [*_, attempt] = leases.get(bench.farm, held.task.id).attempts
    assert attempt.outcome is Outcome.INTERRUPTED
    assert list(bench.farm.workers.all()) == [] and bench.counts(job) == {"queued": 2}
