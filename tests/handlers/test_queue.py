"""Slow work is left to the queue and done there, however often and in whatever order its messages come."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.core import blobs, collecting, jobs, sweeping
from chalicelib.handlers.queue import AllFailed
from tests.handlers.conftest import AwsBench, KeptErrands, deliver, errands, failures

MANY = 2500


def test_a_large_job_is_accepted_at_once_and_written_by_errands(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": MANY, "alike": False})
    assert len(kept.left) == 1
    written = len(hurried.tasks(job))
    assert 0 < written < MANY
    assert kept.run_all() > 1
    assert hurried.counts(job) == {"queued": MANY}


def test_the_queued_part_can_be_worked_on_meanwhile(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": MANY, "alike": False})
    worker = hurried.worker()
    for assignment in hurried.claim(worker, slots=3):
        hurried.report(assignment)
    kept.run_all()
    assert hurried.counts(job) == {"queued": MANY - 3, "completed": 3}


def test_an_errand_goes_on_where_the_last_one_stopped(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": MANY, "alike": False})
    before = len(hurried.tasks(job))
    deliver("errand_left", errands(kept.left.pop()))
    assert len(hurried.tasks(job)) >= before + 100


def test_a_large_cancel_is_decided_at_once_and_finished_by_errands(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": MANY, "alike": False})
    kept.run_all()
    canceled = jobs.cancel(hurried.farm, job.id)
    assert (canceled.status, canceled.settled) == ("canceled", False)
    assert hurried.claim(hurried.worker()) == []
    assert kept.run_all() > 1
    assert (hurried.counts(job), hurried.job(job).settled) == ({"canceled": MANY}, True)


def test_a_large_retry_is_finished_by_errands(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": MANY, "alike": False})
    jobs.cancel(hurried.farm, job.id)
    kept.run_all()
    jobs.retry(hurried.farm, job.id)
    assert kept.run_all() > 1
    assert hurried.counts(job) == {"queued": MANY}


def test_a_large_job_is_deleted_at_once_and_removed_by_errands(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": MANY, "alike": False})
    kept.run_all()
    jobs.cancel(hurried.farm, job.id)
    kept.run_all()
    step, *_ = hurried.farm.jobs.steps(job.id)
    jobs.delete(hurried.farm, job.id)
    assert hurried.farm.jobs.get(job.id) is None and hurried.farm.jobs.page(None, 10, None)[0] == []
    assert hurried.farm.tasks.get(step.base + MANY - 1) is not None
    assert kept.run_all() > 1
    left = {item["pk"].partition("#")[0] for item in hurried.table.items()}
    assert not left & {"JOB", "TASKS", "WINDOWS"}


def test_errands_come_twice_and_late(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": 700, "alike": False})
    again = list(kept.left)
    kept.run_all()
    before = hurried.states(job)
    assert failures(deliver("errand_left", errands(*again, *again))) == []
    assert hurried.states(job) == before
    jobs.cancel(hurried.farm, job.id)
    kept.run_all()
    jobs.delete(hurried.farm, job.id)
    assert failures(deliver("errand_left", errands(*again))) == []


def test_two_at_once_write_each_task_once(hurried: AwsBench, kept: KeptErrands) -> None:
    """The second gets its message while the first is half way."""
    job = hurried.submit({"count": 1200, "alike": False})
    kept.left *= 3
    kept.run_all()
    tasks = hurried.tasks(job)
    assert [task.index for task in tasks] == list(range(1200))


def test_an_errand_that_is_lost_is_done_by_the_sweep(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": MANY, "alike": False})
    for _ in range(30):
        kept.left.clear()
        sweeping.sweep(hurried.farm)
    assert hurried.counts(job) == {"queued": MANY}


def test_a_small_job_leaves_nothing(hurried: AwsBench, kept: KeptErrands) -> None:
    job = hurried.submit({"count": 3})
    assert (kept.left, hurried.counts(job)) == ([], {"queued": 3})


def test_what_is_no_errand_fails_alone_and_comes_again(bench: AwsBench, tmp_path: Path) -> None:
    job = bench.submit({"count": 1})
    good = f'{{"settle": "{job.id}"}}'
    answer = deliver("errand_left", errands("{", good, "{}", '{"settle": "all"}', '["settle"]', '{"burn": "1"}'))
    assert failures(answer) == ["1", "3", "4", "5", "6"]


def test_garbage_is_collected_by_errands_that_come_twice(hurried: AwsBench, kept: KeptErrands) -> None:
    garbage = blobs.store_bytes(hurried.farm, b"nobody needs this")
    hurried.submit({"count": 300, "alike": False})
    kept.run_all()
    hurried.clock.advance(40 * 86_400_000)
    begun = collecting.begin(hurried.farm, older_than_days=1, dry_run=True)
    hurried.farm.errands.collect(begun.id)  # type: ignore[union-attr]
    kept.left += kept.left
    kept.run_all()
    done = collecting.current(hurried.farm)
    assert done is not None and (done.phase, done.error) == ("done", None)
    assert hurried.farm.objects.head(garbage.object_key) is not None


def test_an_errand_for_a_collection_that_is_gone_is_done(hurried: AwsBench, kept: KeptErrands) -> None:
    assert failures(deliver("errand_left", errands('{"collect": "12345"}'))) == []


@pytest.mark.parametrize("bodies", [['{"collect": "x"}'], ["{", "{}"]])
def test_where_nothing_was_done_the_call_fails_so_that_no_mapping_takes_it_for_done(
    bench: AwsBench, bodies: list[str]
) -> None:
    with pytest.raises(AllFailed, match=f"none of {len(bodies)} was done"):
        deliver("errand_left", errands(*bodies))
