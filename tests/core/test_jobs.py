"""What people do with jobs, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core import events, jobs, leases, sweeping
from chalicelib.core.errors import BadInput, Conflict, NotFound
from chalicelib.core.farm import Limits
from chalicelib.core.lifecycle import JobStatus, Outcome
from chalicelib.core.model import Attempt
from chalicelib.core.ports import Set
from chalicelib.core.records import task_writes
from chalicelib.core.records.keys import INDEXES
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import Faults, SimulatedClock, SimulatedTable


def test_steps_run_one_after_the_other(bench: Bench) -> None:
    job = bench.submit({"count": 2}, {"count": 3, "after": [0]})
    worker = bench.worker()
    first, second = bench.claim(worker, slots=10)
    bench.report(first)
    assert bench.claim(worker) == []
    bench.report(second)
    assert bench.work_off(worker) == 3
    assert (bench.job(job).status, bench.counts(job)) == ("completed", {"completed": 5})


def test_a_task_waits_for_its_parents(bench: Bench) -> None:
    job = bench.submit({"count": 3, "parents": {2: [0, 1]}})
    worker = bench.worker()
    left, right = bench.claim(worker, slots=10)
    bench.report(left)
    assert bench.counts(job)["waiting"] == 1
    bench.report(right)
    assert bench.take(worker).task.index == 2


def test_a_failed_parent_takes_its_children_with_it_and_the_rest_runs_on(bench: Bench) -> None:
    job = bench.submit({"count": 4, "parents": {1: [0], 2: [1]}}, {"count": 1, "after": [0]}, max_retries=0)
    worker = bench.worker()
    bench.fail(bench.take(worker))
    assert bench.counts(job) == {"failed": 1, "canceled": 2, "queued": 1}
    bench.report(bench.take(worker))
    ended = bench.job(job)
    assert (ended.status, ended.settled) == ("failed", True)
    assert "1 of 4 tasks" in (ended.error or "")


def test_on_failure_stop_ends_the_rest_at_once(bench: Bench) -> None:
    job = bench.submit({"count": 5}, max_retries=0, on_failure="stop")
    worker = bench.worker()
    failing, running = bench.claim(worker, slots=2)
    bench.fail(failing)
    assert bench.job(job).status == "failed"
    assert bench.claim(worker) == []
    stopped = leases.renew(bench.farm, worker.id, running.task.id, running.lease.generation, None, None)
    assert stopped.cancel_reason == "job failed"
    bench.report(running, Outcome.CANCELED)
    assert bench.counts(job) == {"failed": 1, "canceled": 4}
    assert bench.job(job).settled


def test_cancel_gives_nothing_away_any_more_and_stops_what_runs(bench: Bench) -> None:
    job = bench.submit({"count": 150}, {"count": 1, "after": [0]})
    worker = bench.worker()
    running = bench.take(worker)
    assert jobs.cancel(bench.farm, job.id).status == "canceled"
    assert bench.claim(worker) == []
    assert bench.counts(job) == {"canceled": 149, "active": 1}
    bench.report(running, Outcome.CANCELED)
    assert (bench.job(job).settled, bench.counts(job)) == (True, {"canceled": 150})


def test_a_job_of_which_a_task_was_canceled_and_nothing_failed_is_canceled(bench: Bench) -> None:
    """Some protocols cancel tasks, not jobs."""
    job, worker = bench.submit({"count": 2}), bench.worker()
    bench.report(bench.take(worker), Outcome.CANCELED)
    bench.work_off(worker)
    assert bench.job(job).status is JobStatus.CANCELED
    assert bench.counts(job) == {"canceled": 1, "completed": 1}


def test_pause_and_resume(bench: Bench) -> None:
    job = bench.submit({"count": 3}, {"count": 1, "after": [0]})
    worker = bench.worker()
    running = bench.take(worker)
    jobs.pause(bench.farm, job.id)
    assert bench.claim(worker) == []
    bench.report(running)
    assert bench.counts(job) == {"paused": 2, "completed": 1}
    jobs.resume(bench.farm, job.id)
    assert bench.work_off(worker) == 3
    assert bench.job(job).status == "completed"


def test_a_parent_that_completes_in_a_paused_job_releases_its_child_on_resume(bench: Bench) -> None:
    job = bench.submit({"count": 2, "parents": {1: [0]}})
    worker = bench.worker()
    running = bench.take(worker)
    jobs.pause(bench.farm, job.id)
    bench.report(running)
    assert bench.counts(job) == {"paused": 1, "completed": 1}
    jobs.resume(bench.farm, job.id)
    assert bench.work_off(worker) == 1


def test_retry_runs_again_what_failed_and_what_that_took_along(bench: Bench) -> None:
    job = bench.submit({"count": 130, "parents": {1: [0], 129: [128]}}, {"count": 2, "after": [0]}, max_retries=0)
    worker = bench.worker()
    bench.fail(bench.take(worker))
    bench.work_off(worker)
    assert bench.counts(job) == {"failed": 1, "canceled": 1, "completed": 128}
    retried = jobs.retry(bench.farm, job.id)
    assert (retried.status, retried.error) == ("queued", None)
    assert bench.counts(job) == {"completed": 128, "queued": 1, "waiting": 1}
    assert bench.work_off(worker) == 4
    assert (bench.job(job).status, bench.counts(job)) == ("completed", {"completed": 132})


def test_retry_of_a_canceled_job_runs_what_was_canceled(bench: Bench) -> None:
    job = bench.submit({"count": 3})
    worker = bench.worker()
    bench.report(bench.take(worker))
    jobs.cancel(bench.farm, job.id)
    jobs.retry(bench.farm, job.id)
    assert bench.work_off(worker) == 2
    assert bench.job(job).status == "completed"


def test_a_retry_that_fails_again_ends_again(bench: Bench) -> None:
    job = bench.submit(max_retries=0)
    worker = bench.worker()
    for _ in range(3):
        bench.fail(bench.take(worker))
        assert bench.job(job).status == "failed"
        jobs.retry(bench.farm, job.id)
    bench.report(bench.take(worker))
    assert bench.job(job).status == "completed"


def test_a_new_priority_reaches_queued_tasks(bench: Bench) -> None:
    bench.submit(priority=60)
    late = bench.submit({"count": 2}, priority=10)
    jobs.change(bench.farm, late.id, priority=90)
    assert bench.take(bench.worker()).task.job == late.id


@pytest.mark.parametrize(
    ("decide", "message"),
    [(jobs.pause, "cannot pause"), (jobs.cancel, "cannot cancel"), (jobs.resume, "cannot resume")],
)
def test_a_decision_that_the_state_does_not_allow_is_refused(bench: Bench, decide: object, message: str) -> None:
    job = bench.submit()
    bench.work_off(bench.worker())
    with pytest.raises(Conflict, match=message):
        decide(bench.farm, job.id)  # type: ignore[operator]
    assert bench.job(job).status == "completed"


def test_a_retry_waits_for_the_last_tasks_to_end(bench: Bench) -> None:
    job = bench.submit()
    bench.take(bench.worker())
    jobs.cancel(bench.farm, job.id)
    with pytest.raises(Conflict, match="still ending"):
        jobs.retry(bench.farm, job.id)


def test_the_same_idempotency_key_gives_the_same_job(bench: Bench) -> None:
    wanted = jobs.Submission("a job", "ladder", {"rungs": [{"count": 1}]})
    first = jobs.submit(bench.farm, wanted, once="k")
    assert jobs.submit(bench.farm, wanted, once="k").id == first.id
    with pytest.raises(Conflict, match="Idempotency-Key"):
        jobs.submit(bench.farm, jobs.Submission("another", "ladder", {"rungs": [{"count": 1}]}), once="k")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"type": "nonsense"}, "type"),
        ({"priority": 101}, "priority"),
        ({"max_retries": -1}, "max_retries"),
        ({"on_failure": "explode"}, "on_failure"),
        ({"tags": ("",)}, "tags"),
        ({"settings": {"rungs": "many"}}, "settings.rungs"),
        ({"settings": []}, "settings"),
    ],
)
def test_a_wrong_submission_is_refused_by_field_and_nothing_is_written(
    bench: Bench, wrong: dict[str, object], field: str
) -> None:
    right = {"name": "a job", "type": "ladder", "settings": {"rungs": [{"count": 1}]}}
    with pytest.raises(BadInput) as refused:
        jobs.submit(bench.farm, jobs.Submission(**(right | wrong)))  # type: ignore[arg-type]
    assert refused.value.field == field
    assert bench.farm.jobs.page(None, 10, None) == ([], None)


def test_a_deleted_job_is_gone_with_its_tasks(bench: Bench) -> None:
    job = bench.submit({"count": 150})
    with pytest.raises(Conflict, match="cancel it first"):
        jobs.delete(bench.farm, job.id)
    [task, *_] = bench.tasks(job)
    jobs.cancel(bench.farm, job.id)
    jobs.delete(bench.farm, job.id)
    with pytest.raises(NotFound):
        jobs.get(bench.farm, job.id)
    with pytest.raises(NotFound):
        leases.get(bench.farm, task.id)


def test_large_settings_are_kept_as_an_object(bench: Bench) -> None:
    job = bench.submit({"count": 1, "task_type": "sleep", "parents": {str(i): [0] for i in range(1, 20_000)}})
    assert job.settings is None and job.settings_key
    assert bench.farm.objects.head(job.settings_key)
    assert bench.work_off(bench.worker()) == 1


def test_a_repeated_submission_leaves_no_settings_behind(bench: Bench) -> None:
    farm = make_farm(bench.farm.table, bench.clock, limits=Limits(inline_bytes=10))
    wanted = jobs.Submission("a job", "ladder", {"rungs": [{"count": 1}]})
    first = jobs.submit(farm, wanted, once="k")
    assert jobs.submit(farm, wanted, once="k").id == first.id
    with pytest.raises(Conflict, match="Idempotency-Key"):
        jobs.submit(farm, replace(wanted, name="another"), once="k")
    assert [kept.key for kept in farm.objects.list("jobs/")] == [first.settings_key]


def test_a_decision_whose_answer_was_lost_is_made_once(clock: SimulatedClock) -> None:
    """Each write that stands alone is sent twice, and meets its own effect."""
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock, faults=Faults(repeated=1.0))
    farm = make_farm(table, clock, limits=Limits(inline_bytes=10))
    job = jobs.submit(farm, jobs.Submission("a job", "ladder", {"rungs": [{"count": 3}]}))
    assert [one.id for one in farm.jobs.page(None, 10, None)[0]] == [job.id]
    assert farm.plans.settings(job) == {"rungs": [{"count": 3}]}
    assert jobs.pause(farm, job.id).status is JobStatus.PAUSED
    assert jobs.resume(farm, job.id).status is JobStatus.QUEUED
    assert jobs.cancel(farm, job.id).status is JobStatus.CANCELED
    assert jobs.retry(farm, job.id).status is JobStatus.QUEUED
    assert Bench(farm, clock).counts(job) == {"queued": 3}


@pytest.mark.parametrize("who", ["feed", "sweep"])
def test_on_failure_stop_is_not_forgotten_by_a_crash(bench: Bench, who: str) -> None:
    """The process died right after it wrote that the task failed for good."""
    job = bench.submit({"count": 5}, max_retries=0, on_failure="stop")
    assignment = bench.take(bench.worker())
    now = bench.clock.now()
    attempt = Attempt(1, 1, assignment.lease.worker, Outcome.FAILED, 1, "it broke", now, now)
    bench.farm.tasks.update(task_writes.ended(assignment.task, "fail", attempt))
    if who == "feed":
        events.tasks_changed(bench.farm, [assignment.task.id])
    else:
        sweeping.sweep(bench.farm, thorough=True)
    ended = bench.job(job)
    assert (ended.status, ended.error) == ("failed", "task '0/0' failed: it broke")
    assert bench.counts(job) == {"failed": 1, "canceled": 4}


def test_a_sweep_finishes_what_a_crash_left(bench: Bench) -> None:
    """The window's mark never came: the task is done, but nobody has heard."""
    job = bench.submit({"count": 2})
    given = bench.claim(bench.worker(), slots=2)
    bench.report(given[0])
    task = given[1].task

    now = bench.clock.now()
    attempt = Attempt(1, 1, task.lease.worker, Outcome.COMPLETED, 0, None, now, now)  # type: ignore[union-attr]
    bench.farm.tasks.update(task_writes.ended(task, "complete", attempt))
    sweeping.sweep(bench.farm)
    assert bench.job(job).status == "queued"
    sweeping.sweep(bench.farm, thorough=True)
    assert bench.job(job).status == "completed"


def test_a_job_that_ends_while_its_tasks_are_written_counts_those_that_run(bench: Bench) -> None:
    """Whoever wrote the tasks died before it could say so; a worker is at one of them meanwhile."""
    job = bench.submit({"count": 2})
    [step] = bench.farm.jobs.steps(job.id)
    bench.farm.jobs.change_step(step, None, Set("written", False))
    given = bench.take(bench.worker())
    jobs.cancel(bench.farm, job.id)
    bench.report(given)
    counts = jobs.get(bench.farm, job.id).counts
    assert (counts["completed"], counts["canceled"]) == (1, 1)
