"""A step may follow another task by task: what it needs decides, not the whole step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chalicelib.core import events, jobs, leases, retrying, strips, sweeping, tasks, why_waiting
from chalicelib.core.farm import Limits
from chalicelib.core.lifecycle import Outcome, TaskStatus
from chalicelib.core.model import Assignment, Job, Output, Step, Worker
from chalicelib.core.reasons import Code
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable

MILLION = 1_000_000


def step(bench: Bench, job: Job, number: int) -> Step:
    return bench.farm.jobs.steps(job.id)[number]


def take_all(bench: Bench, worker: Worker) -> dict[str, Assignment]:
    """Everything that can be had, by task name."""
    found: dict[str, Assignment] = {}
    while given := bench.claim(worker, slots=10):
        found |= {assignment.task.name: assignment for assignment in given}
    return found


def test_a_task_may_begin_when_what_it_needs_has_completed(bench: Bench) -> None:
    bench.submit({"count": 4}, {"count": 2, "trails": 0})
    worker = bench.worker()
    first = take_all(bench, worker)
    assert sorted(first) == ["0/0", "0/1", "0/2", "0/3"]
    bench.report(first["0/3"])
    assert take_all(bench, worker) == {}
    bench.report(first["0/2"])
    assert list(take_all(bench, worker)) == ["1/1"]
    bench.report(first["0/0"])
    bench.report(first["0/1"])
    assert list(take_all(bench, worker)) == ["1/0"]


def test_such_a_job_is_worked_off_and_completes(bench: Bench) -> None:
    job = bench.submit({"count": 7}, {"count": 250, "trails": 0}, {"count": 13, "trails": 1})
    assert bench.counts(job) == {"queued": 7, "waiting": 263}
    assert bench.work_off(bench.worker()) == 270
    assert bench.job(job).status == "completed"
    assert bench.counts(job) == {"completed": 270}


def test_tasks_that_wait_are_listed_and_looked_at(bench: Bench) -> None:
    job = bench.submit({"count": 3}, {"count": MILLION, "trails": 0})
    second = step(bench, job, 1)
    last = tasks.get(bench.farm, second.base + MILLION - 1)
    assert (last.name, last.status) == ("1/999999", TaskStatus.WAITING)
    [first, *_] = tasks.may_be(bench.farm, job, second, TaskStatus.WAITING)
    assert [task.index for task in tasks.of_step(bench.farm, job, second, first)] == list(range(100))


def test_what_needs_a_task_that_failed_is_not_released(bench: Bench) -> None:
    job = bench.submit({"count": 4}, {"count": 4, "trails": 0}, max_retries=0)
    worker = bench.worker()
    first = take_all(bench, worker)
    bench.fail(first["0/1"])
    for name in ("0/0", "0/2", "0/3"):
        bench.report(first[name])
    assert bench.work_off(worker) == 3
    assert bench.job(job).status == "failed"
    assert bench.counts(job) == {"completed": 6, "failed": 1, "canceled": 1}
    [canceled] = [task for task in bench.tasks(job) if task.status is TaskStatus.CANCELED]
    assert canceled.name == "1/1" and "rung 0" in (canceled.error or "")


def test_a_retry_runs_what_failed_and_what_needed_it(bench: Bench) -> None:
    job = bench.submit({"count": 4}, {"count": 300, "trails": 0}, max_retries=0)
    worker = bench.worker()
    first = take_all(bench, worker)
    for name in ("0/0", "0/1", "0/2"):
        bench.fail(first[name])
    bench.report(first["0/3"])
    assert bench.work_off(worker) == 75
    assert bench.counts(job) == {"completed": 76, "failed": 3, "canceled": 225}
    jobs.retry(bench.farm, job.id)
    assert bench.work_off(worker) == 3 + 225
    assert bench.job(job).status == "completed"
    assert bench.counts(job) == {"completed": 304}


def test_a_canceled_task_that_is_named_alone_ends_as_it_did(bench: Bench) -> None:
    job = bench.submit({"count": 2}, {"count": 2, "trails": 0}, max_retries=0)
    worker = bench.worker()
    first = take_all(bench, worker)
    bench.fail(first["0/0"])
    bench.report(first["0/1"])
    bench.work_off(worker)
    [canceled] = [task for task in bench.tasks(job) if task.name == "1/0"]
    retrying.retry_tasks(bench.farm, job.id, [canceled.id])
    assert bench.claim(worker) == []
    assert (bench.job(job).status, bench.job(job).settled) == ("failed", True)


def test_what_failed_itself_is_retried_at_once(bench: Bench) -> None:
    job = bench.submit({"count": 2}, {"count": 2, "trails": 0}, max_retries=0)
    worker = bench.worker()
    for assignment in take_all(bench, worker).values():
        bench.report(assignment)
    second = take_all(bench, worker)
    bench.fail(second["1/0"])
    bench.report(second["1/1"])
    assert bench.job(job).status == "failed"
    jobs.retry(bench.farm, job.id)
    assert list(take_all(bench, worker)) == ["1/0"]


def test_a_cancel_ends_a_million_that_wait_at_once(clock: SimulatedClock) -> None:
    table = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
    bench = Bench(make_farm(table, clock), clock)
    job = bench.submit({"count": MILLION}, {"count": MILLION, "trails": 0})
    worker = bench.worker()
    bench.report(bench.take(worker))
    table.requests.clear()
    jobs.cancel(bench.farm, job.id)
    assert table.requests.total() < 400  # most of them pages of windows, twenty for a million tasks
    assert bench.job(job).settled
    assert bench.counts(job) == {"completed": 1, "canceled": 2 * MILLION - 1}
    jobs.retry(bench.farm, job.id)
    assert bench.counts(job) == {"completed": 1, "queued": MILLION, "waiting": MILLION - 1}


def test_a_paused_job_releases_nothing_into_its_lane(bench: Bench) -> None:
    job = bench.submit({"count": 2}, {"count": 2, "trails": 0})
    worker = bench.worker()
    first = take_all(bench, worker)
    jobs.pause(bench.farm, job.id)
    for assignment in first.values():
        bench.report(assignment)
    assert take_all(bench, worker) == {}
    jobs.resume(bench.farm, job.id)
    assert sorted(take_all(bench, worker)) == ["1/0", "1/1"]


def test_a_new_priority_reaches_what_is_released_later(bench: Bench) -> None:
    job = bench.submit({"count": 2}, {"count": 2, "trails": 0})
    worker = bench.worker()
    first = take_all(bench, worker)
    jobs.change(bench.farm, job.id, priority=90)
    bench.report(first["0/0"])
    assert bench.take(worker).task.priority == 90


def test_files_of_what_it_needed_come_along(bench: Bench) -> None:
    bench.submit({"count": 4}, {"count": 2, "trails": 0, "files": True})
    worker = bench.worker()
    for number, assignment in enumerate(take_all(bench, worker).values()):
        made = Output(f"{assignment.task.index}.exr", 100 + number, 5, "0" * 64)
        lease = assignment.lease
        said = leases.Report(Outcome.COMPLETED, outputs=(made,))
        leases.report(bench.farm, worker.id, assignment.task.id, lease.generation, said)
    second = take_all(bench, worker)
    assert [given.name for given in second["1/1"].task.work.inputs] == ["before/2.exr", "before/3.exr"]


def test_events_that_come_twice_change_nothing(bench: Bench) -> None:
    job = bench.submit({"count": 4}, {"count": 4, "trails": 0})
    worker = bench.worker()
    first = take_all(bench, worker)
    for assignment in first.values():
        bench.report(assignment)
        events.tasks_changed(bench.farm, [assignment.task.id, assignment.task.id])
    events.tasks_changed(bench.farm, [assignment.task.id for assignment in first.values()])
    assert bench.counts(job) == {"completed": 4, "queued": 4}
    assert bench.work_off(worker) == 4


def test_a_release_that_died_is_made_up_for_by_the_feed_or_a_sweep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.submit({"count": 2}, {"count": 2, "trails": 0})
    worker = bench.worker()
    first = take_all(bench, worker)
    with monkeypatch.context() as broken:
        broken.setattr("chalicelib.core.trailing.go_on", lambda *_: False)
        bench.report(first["0/0"])
    assert take_all(bench, worker) == {}
    events.tasks_changed(bench.farm, [first["0/0"].task.id])
    assert list(take_all(bench, worker)) == ["1/0"]
    with monkeypatch.context() as broken:
        broken.setattr("chalicelib.core.trailing.go_on", lambda *_: False)
        bench.farm.windows.mark(first["0/1"].task.job, 0, 0, frozenset())
        bench.report(first["0/1"])
    sweeping.sweep(bench.farm, thorough=True)
    assert list(take_all(bench, worker)) == ["1/1"]


def test_a_step_that_needs_another_as_a_whole_too_catches_up(bench: Bench) -> None:
    bench.submit({"count": 2}, {"count": 1, "task_type": "debug"}, {"count": 2, "trails": 0, "after": [1]})
    worker, other = bench.worker(), bench.worker("v", "debug")
    bench.report(take_all(bench, worker)["0/0"])
    assert take_all(bench, worker) == {}
    bench.report(bench.take(other))
    assert list(take_all(bench, worker)) == ["2/0"]


def test_people_are_told_what_a_task_waits_for(bench: Bench) -> None:
    wanted = {"frames": "1-100", "chunk": 10, "command": ["r", "{frame}"]}
    later = {"frames": "11-25", "chunk": 15, "command": ["c", "{start}", "{end}"]}
    job = jobs.submit(bench.farm, jobs.Submission("a job", "frames", {**wanted, "then": [later]}))
    worker = bench.worker("w", "exec")
    assignments = bench.claim(worker, slots=2)
    [waiting] = [task for task in bench.tasks(job) if task.step == 1]
    [reason] = why_waiting.of_task(bench.farm, waiting)
    text = "waits for frames 11-20 (active) and frames 21-30 (queued) of step 'frames'"
    assert (reason.code, reason.text) == (Code.WAITS_FOR_TASKS, text)
    bench.report(assignments[1])
    [reason] = why_waiting.of_task(bench.farm, waiting)
    assert reason.text == "waits for frames 21-30 (queued) of step 'frames'"


def test_a_strip_shows_what_waits_what_is_done_and_what_will_never_run(bench: Bench) -> None:
    job = bench.submit({"count": 4}, {"count": 1_200, "trails": 0}, max_retries=0)
    worker = bench.worker()
    first = take_all(bench, worker)

    def shown() -> Counter[TaskStatus]:
        return sum(strips.strip(bench.farm, bench.job(job), step(bench, job, 1), size=100).buckets, Counter())

    bench.report(first["0/0"])
    bench.work_off(worker)
    assert shown() == {TaskStatus.COMPLETED: 300, TaskStatus.WAITING: 900}
    for name in ("0/1", "0/2", "0/3"):
        bench.fail(first[name])
    assert bench.job(job).settled
    assert shown() == {TaskStatus.COMPLETED: 300, TaskStatus.CANCELED: 900}


def test_a_deleted_job_leaves_nothing(bench: Bench) -> None:
    job = bench.submit({"count": 4}, {"count": 300, "trails": 0})
    bench.report(bench.take(bench.worker()))
    jobs.cancel(bench.farm, job.id)
    for task in bench.tasks(job):
        if task.lease is not None:
            leases.give_back(bench.farm, task.id, task.generation, Outcome.LOST, "gone")
    second = step(bench, job, 1)
    jobs.delete(bench.farm, job.id)
    assert tasks.find(bench.farm, second.base) is None
    assert bench.farm.windows.some(second, 10) == {}


@pytest.mark.parametrize("count", [1_000, MILLION])
def test_a_completion_costs_the_same_however_many_there_are(tmp_path: Path, clock: SimulatedClock, count: int) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    counted = CountingTable(table)
    bench = Bench(make_farm(counted, clock), clock)
    bench.submit({"count": count}, {"count": count, "trails": 0})
    worker = bench.worker()
    given = bench.claim(worker, slots=2)
    bench.report(given[0])
    second = given[1]
    counted.requests.clear()
    bench.report(second)
    # A plain completion, and: the job with its steps; the task to release, and its window; the task; its mark.
    plain = Counter({"get": 1, "update": 2})
    assert counted.requests == plain + Counter({"query": 1, "get_many": 2, "write": 1, "update": 1})
    table.close()


def test_one_task_that_many_need_releases_them_in_turns(clock: SimulatedClock) -> None:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    bench = Bench(make_farm(table, clock, limits=Limits(settle_seconds=1)), clock)
    job = bench.submit({"count": 1}, {"count": 5_000, "trails": 0})
    worker = bench.worker()
    bench.report(bench.take(worker))
    events.tasks_changed(bench.farm, [task.id for task in bench.tasks(job)])
    assert bench.counts(job) == {"completed": 1, "queued": 5_000}
