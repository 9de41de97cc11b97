"""Named tasks run again within their job, whatever became of them, and whatever has become of the job."""

from __future__ import annotations

import pytest

from chalicelib.core import blobs, jobs, leases, retrying, tasks
from chalicelib.core.errors import BadInput, Conflict, NotFound
from chalicelib.core.lifecycle import Outcome, TaskStatus
from chalicelib.core.model import Job, Step, Worker
from tests.core.conftest import Bench


def end(bench: Bench, worker: Worker, *, failing: tuple[int, ...] = ()) -> list[int]:
    """Work off what can be claimed; the indices that ran."""
    ran = []
    while some := bench.claim(worker, slots=500):
        for one in some:
            ran.append(one.task.index)
            bench.fail(one) if one.task.index in failing else bench.report(one)
    return sorted(ran)


def task_id(bench: Bench, job: Job, index: int, step: int = 0) -> int:
    return bench.farm.jobs.steps(job.id)[step].base + index


@pytest.mark.parametrize("count", [3, 250])
def test_a_completed_task_of_a_completed_job_runs_again_and_the_job_completes_again(bench: Bench, count: int) -> None:
    job = bench.submit({"count": count})
    worker = bench.worker()
    end(bench, worker)
    again = retrying.retry_task(bench.farm, task_id(bench, job, 2))
    assert (again.status, again.generation, len(again.attempts)) == (TaskStatus.QUEUED, 2, 1)
    assert bench.job(job).status == "queued" and bench.job(job).finished_at is None
    assert bench.counts(job) == {"completed": count - 1, "queued": 1}
    assert end(bench, worker) == [2]
    assert bench.job(job).status == "completed" and bench.counts(job) == {"completed": count}
    assert [a.number for a in tasks.get(bench.farm, task_id(bench, job, 2)).attempts] == [1, 2]


def test_one_failed_task_of_several_runs_again(bench: Bench) -> None:
    job = bench.submit({"count": 4}, max_retries=0)
    worker = bench.worker()
    end(bench, worker, failing=(1, 3))
    assert bench.job(job).status == "failed"
    retrying.retry_task(bench.farm, task_id(bench, job, 3))
    assert end(bench, worker) == [3]
    assert bench.job(job).status == "failed" and bench.counts(job) == {"completed": 3, "failed": 1}
    retrying.retry_task(bench.farm, task_id(bench, job, 1))
    assert end(bench, worker) == [1] and bench.job(job).status == "completed"


def test_in_a_job_that_lives_failed_tasks_run_again_while_the_rest_goes_on(bench: Bench) -> None:
    job = bench.submit({"count": 300}, max_retries=0)
    worker = bench.worker()
    first, second, third = (bench.take(worker) for _ in range(3))
    bench.fail(first)
    bench.report(second)
    retrying.retry(bench.farm, job.id, only_failed=True)
    assert bench.counts(job)["queued"] + bench.counts(job)["active"] == 299
    assert bench.job(job).status in ("queued", "active")
    bench.report(third)  # its lease is as good as before
    assert len(end(bench, worker)) == 298 and bench.job(job).status == "completed"


def test_a_retry_of_a_living_job_in_which_nothing_failed_is_refused(bench: Bench) -> None:
    job = bench.submit({"count": 3})
    bench.report(bench.take(bench.worker()))
    with pytest.raises(Conflict, match="nothing of this job failed"):
        retrying.retry(bench.farm, job.id)
    end(bench, bench.worker())
    with pytest.raises(Conflict, match="it is completed"):
        retrying.retry(bench.farm, job.id)
    assert bench.job(job).status == "completed"


def test_what_has_not_ended_or_is_not_there_cannot_run_again(bench: Bench) -> None:
    job, other = bench.submit({"count": 3}), bench.submit({"count": 1})
    active = bench.take(bench.worker()).task
    for status, index in (("active", active.index), ("queued", 1)):
        with pytest.raises(Conflict, match=f"is {status}; only what has ended"):
            retrying.retry_task(bench.farm, task_id(bench, job, index))
    with pytest.raises(NotFound):
        retrying.retry_task(bench.farm, 12345)
    with pytest.raises(BadInput, match="has no task"):
        retrying.retry_tasks(bench.farm, job.id, [task_id(bench, other, 0)])
    with pytest.raises(BadInput, match="1 to 1,000"):
        retrying.retry_tasks(bench.farm, job.id, [])


def test_of_a_canceled_large_job_only_what_was_begun_runs_again_by_name(bench: Bench) -> None:
    job = bench.submit({"count": 400})
    worker = bench.worker()
    bench.report(bench.take(worker))
    jobs.cancel(bench.farm, job.id)
    with pytest.raises(Conflict, match="never begun"):
        retrying.retry_task(bench.farm, task_id(bench, job, 390))
    assert bench.job(job).status == "canceled"
    retrying.retry_task(bench.farm, task_id(bench, job, 0))
    assert end(bench, worker) == [0]
    assert bench.job(job).status == "canceled"  # as the rest of it still is
    assert bench.counts(job) == {"completed": 1, "canceled": 399}
    jobs.retry(bench.farm, job.id)
    assert len(end(bench, worker)) == 399 and bench.job(job).status == "completed"


def test_only_failed_leaves_alone_what_a_person_canceled(bench: Bench) -> None:
    job = bench.submit({"count": 5}, max_retries=0)
    worker = bench.worker()
    bench.fail(bench.take(worker))
    jobs.cancel(bench.farm, job.id)
    retrying.retry(bench.farm, job.id, only_failed=True)
    assert end(bench, worker) == [0]
    assert bench.counts(job) == {"completed": 1, "canceled": 4}


def test_only_canceled_leaves_alone_what_failed_before(bench: Bench) -> None:
    job = bench.submit({"count": 450}, max_retries=0)
    worker = bench.worker()
    bench.fail(bench.take(worker))
    jobs.cancel(bench.farm, job.id)
    retrying.retry(bench.farm, job.id, only_canceled=True)
    assert len(end(bench, worker)) == 449  # those too that nobody had been offered yet
    assert bench.counts(job) == {"completed": 449, "failed": 1} and bench.job(job).status == "failed"


def test_only_canceled_does_not_run_what_needs_a_task_that_failed(bench: Bench) -> None:
    job = bench.submit({"count": 4, "parents": {1: [0], 2: [1], 3: []}}, max_retries=0)
    worker = bench.worker()
    bench.fail(bench.take(worker))
    jobs.cancel(bench.farm, job.id)
    retrying.retry(bench.farm, job.id, only_canceled=True)
    assert end(bench, worker) == [3]
    assert bench.counts(job) == {"completed": 1, "failed": 1, "canceled": 2} and bench.job(job).status == "failed"


def test_only_canceled_is_refused_where_nothing_would_run(bench: Bench) -> None:
    job = bench.submit({"count": 1}, max_retries=0)
    bench.fail(bench.take(bench.worker()))
    with pytest.raises(Conflict, match="nothing of this job was canceled; it is failed"):
        retrying.retry(bench.farm, job.id, only_canceled=True)
    stopping = bench.submit({"count": 2}, max_retries=0, on_failure="stop")
    bench.fail(bench.take(bench.worker()))
    before = bench.job(stopping)
    with pytest.raises(Conflict, match="would stop again"):
        retrying.retry(bench.farm, stopping.id, only_canceled=True)
    assert bench.job(stopping) == before


def test_a_canceled_job_in_which_nothing_failed_has_nothing_failed_to_run_again(bench: Bench) -> None:
    job = bench.submit({"count": 3})
    bench.report(bench.take(bench.worker()))
    before = jobs.cancel(bench.farm, job.id)
    with pytest.raises(Conflict, match="nothing of this job failed; it is canceled: retry the whole job"):
        retrying.retry(bench.farm, job.id, only_failed=True)
    assert bench.job(job) == before


@pytest.mark.parametrize("by_name", [True, False])
def test_what_a_failure_took_along_runs_again_with_it(bench: Bench, by_name: bool) -> None:
    chain = {1: [0], 2: [1], 3: []}
    job = bench.submit({"count": 4, "parents": chain}, max_retries=0)
    worker = bench.worker()
    end(bench, worker, failing=(0,))
    assert bench.counts(job) == {"failed": 1, "canceled": 2, "completed": 1}
    if by_name:
        retrying.retry_task(bench.farm, task_id(bench, job, 0))
    else:
        retrying.retry(bench.farm, job.id, only_failed=True)
    assert end(bench, worker) == [0, 1, 2] and bench.job(job).status == "completed"


@pytest.mark.parametrize("count", [2, 150])
def test_steps_that_followed_start_over(bench: Bench, count: int) -> None:
    job = bench.submit({"count": 2}, {"count": count, "after": [0]}, {"count": 1, "after": [1]}, {"count": 1})
    worker = bench.worker()
    end(bench, worker)
    before = [step.base for step in bench.farm.jobs.steps(job.id)]
    retrying.retry_task(bench.farm, task_id(bench, job, 1))
    assert bench.counts(job) == {"completed": 2, "queued": 1}
    assert tasks.find(bench.farm, before[1]) is None
    bench.report(bench.take(worker))
    again = bench.claim(worker, slots=count)
    base = bench.farm.jobs.steps(job.id)[1].base
    assert sorted(one.task.id for one in again) == [base + index for index in range(count)]
    for one in again:
        bench.report(one)
    assert len(end(bench, worker)) == 1
    assert bench.job(job).status == "completed" and bench.counts(job) == {"completed": count + 4}
    after = [step.base for step in bench.farm.jobs.steps(job.id)]
    assert (after[0], after[3]) == (before[0], before[3]) and after[1] != before[1] and after[2] != before[2]
    for task in bench.tasks(job):
        assert tasks.get(bench.farm, task.id).status is TaskStatus.COMPLETED


def test_a_step_that_starts_over_gets_what_the_tasks_before_it_made_this_time(bench: Bench) -> None:
    settings = {"blend": "7", "columns": 2, "rows": 1}
    job = jobs.submit(bench.farm, jobs.Submission("still", "blender-render-tiles", settings), check_blobs=False)
    worker = bench.worker("w", "blender-render", "video-encoding")

    def render(*names: str) -> None:
        for name in names:
            one = bench.take(worker)
            made = blobs.as_outputs(bench.farm, {f"{name}.png": blobs.store_bytes(bench.farm, name.encode()).id})
            said = leases.Report(Outcome.COMPLETED, outputs=made)
            leases.report(bench.farm, worker.id, one.task.id, one.lease.generation, said)

    def merged() -> list[bytes | None]:
        one = bench.take(worker)
        bench.report(one)
        keys = [bench.farm.blobs.get(given.blob).object_key for given in one.task.work.inputs]  # type: ignore[union-attr]
        return [bench.farm.objects.get(key) for key in keys]

    render("left", "bad")
    assert merged() == [b"left", b"bad"]
    retrying.retry_task(bench.farm, task_id(bench, job, 1))
    render("right")
    assert merged() == [b"left", b"right"]
    assert bench.job(job).status == "completed"


def test_while_a_step_is_at_work_on_what_tasks_made_they_do_not_run_again(bench: Bench) -> None:
    job = bench.submit({"count": 2}, {"count": 2, "after": [0]})
    worker = bench.worker()
    bench.report(bench.take(worker))
    bench.report(bench.take(worker))
    with pytest.raises(Conflict, match="step 'rung 1' is at work"):
        retrying.retry_task(bench.farm, task_id(bench, job, 0))
    end(bench, worker)
    assert bench.job(job).status == "completed"


def test_a_job_that_stops_at_failures_runs_those_again_too(bench: Bench) -> None:
    """Else it would stop again at once."""
    job = bench.submit({"count": 2}, max_retries=0, on_failure="stop")
    worker = bench.worker()
    failing, stopped = bench.take(worker), bench.take(worker)
    bench.fail(failing)
    bench.report(stopped, Outcome.CANCELED)
    assert bench.job(job).status == "failed"
    retrying.retry_task(bench.farm, stopped.task.id)
    assert end(bench, worker) == [0, 1] and bench.job(job).status == "completed"


def test_a_paused_job_is_to_be_resumed_first(bench: Bench) -> None:
    job = bench.submit({"count": 2}, max_retries=0)
    bench.fail(bench.take(bench.worker()))
    jobs.pause(bench.farm, job.id)
    with pytest.raises(Conflict, match="resume it first"):
        retrying.retry(bench.farm, job.id)


def test_naming_a_task_twice_is_naming_it_once(bench: Bench) -> None:
    job = bench.submit({"count": 260})
    worker = bench.worker()
    end(bench, worker)
    named = [task_id(bench, job, index) for index in (255, 0, 255, 1, 120)]
    retrying.retry_tasks(bench.farm, job.id, named)
    assert bench.counts(job) == {"completed": 256, "queued": 4}
    assert end(bench, worker) == [0, 1, 120, 255]


def test_a_job_that_was_given_back_costs_as_little_as_it_has_tasks_named(bench: Bench) -> None:
    """Only the windows of the tasks that are named are looked at."""
    job = bench.submit({"count": 620})
    end(bench, bench.worker())
    step: Step = bench.farm.jobs.steps(job.id)[0]
    retrying.retry_task(bench.farm, step.base + 555)
    assert [window.number for window in bench.farm.windows.open(step)] == [5]
