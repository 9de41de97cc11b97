"""Steps of so many tasks that nobody writes them down: what people and workers see of them is what they always see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.bootstrap import rings
from chalicelib.core import claiming, events, jobs, sweeping, tasks, why_idle, why_waiting, workers
from chalicelib.core.errors import NotFound
from chalicelib.core.farm import Limits
from chalicelib.core.lifecycle import TaskStatus
from chalicelib.core.model import Job, Step
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable

MILLION = 1_000_000
MANY = 4_000
"""As many as one cursor gives away on every engine."""


def step_of(bench: Bench, job: Job) -> Step:
    return bench.farm.jobs.steps(job.id)[0]


def indices(given: list) -> list[int]:  # type: ignore[type-arg]
    return [assignment.task.index for assignment in given]


def test_the_tasks_of_a_large_step_are_given_away_from_the_first_on(bench: Bench) -> None:
    job = bench.submit({"count": MANY})
    worker = bench.worker()
    assert indices(bench.claim(worker, slots=3)) == [0, 1, 2]
    assert bench.counts(job) == {"queued": MANY}  # the feed, which counts what runs, has not come by
    first = bench.take(worker)
    assert (first.task.name, first.lease.generation, first.task.job_name) == ("0/3", 1, "a job")
    bench.report(first)
    assert bench.counts(job)["completed"] == 1


def test_lists_show_how_many_there_are_before_any_has_begun(bench: Bench) -> None:
    bench.submit({"count": MANY})
    [listed], _ = bench.farm.jobs.page(None, 10, None)
    assert {status: count for status, count in listed.counts.items() if count} == {"queued": MANY}


def test_a_large_step_is_worked_off_and_completes_its_job(bench: Bench) -> None:
    job = bench.submit({"count": 250}, {"count": 2, "after": [0]})
    worker = bench.worker()
    done = [a.task.index for _ in range(250) for a in [bench.take(worker)] if bench.report(a)]
    assert done == list(range(250))
    assert bench.work_off(worker) == 2
    assert bench.job(job).status == "completed"
    assert bench.counts(job) == {"completed": 252}


def test_a_task_that_nobody_has_begun_can_be_looked_at(bench: Bench) -> None:
    job = bench.submit({"count": MILLION}, priority=70)
    step = step_of(bench, job)
    last = tasks.get(bench.farm, step.base + MILLION - 1)
    assert (last.name, last.index, last.status) == ("0/999999", MILLION - 1, TaskStatus.QUEUED)
    assert (last.job, last.priority, last.generation, last.created_at) == (job.id, 70, 0, job.created_at)
    assert last.work.commands == ({"name": "echo", "settings": {"message": "0/999999"}},)
    for outside in (step.base - 1, step.base + MILLION):
        with pytest.raises(NotFound):
            tasks.get(bench.farm, outside)
    jobs.pause(bench.farm, job.id)
    assert tasks.get(bench.farm, last.id).status is TaskStatus.PAUSED


def test_begun_and_unbegun_tasks_are_listed_together(bench: Bench) -> None:
    job = bench.submit({"count": 230})
    worker = bench.worker()
    bench.report(bench.claim(worker, slots=3)[1])
    listed = list(tasks.of_step(bench.farm, job, step_of(bench, job), range(0, 210)))
    assert [task.index for task in listed] == list(range(210))
    assert [task.status.value for task in listed[:5]] == ["active", "completed", "active", "queued", "queued"]


def test_a_list_by_status_passes_over_what_cannot_be_in_it(bench: Bench) -> None:
    job = bench.submit({"count": MANY}, max_retries=0)
    worker = bench.worker()
    given = bench.claim(worker, slots=250)
    for assignment in given:
        bench.fail(assignment) if assignment.task.index == 120 else bench.report(assignment)
    step = step_of(bench, job)

    def where(status: TaskStatus, first: int = 0) -> list[int]:
        found = tasks.may_be(bench.farm, bench.job(job), step, status, first)
        return [part.start for part, _ in zip(found, range(4), strict=False)]

    assert where(TaskStatus.FAILED) == [100, 200]
    assert where(TaskStatus.COMPLETED) == [0, 100, 200]
    assert where(TaskStatus.QUEUED) == [100, 200, 300, 400]
    assert where(TaskStatus.QUEUED, 3_950) == [3_950]
    assert where(TaskStatus.CANCELED) == [100, 200]


# ---- order ---------------------------------------------------------------------------------------------------------


def test_large_and_small_steps_stand_in_one_order(bench: Bench) -> None:
    low = bench.submit({"count": 150}, priority=10)
    jobs_of_three_ages = []
    for count in (2, 150, 2):
        jobs_of_three_ages.append(bench.submit({"count": count}, priority=50))
        bench.clock.advance(1_000)  # ids tell ages by the second
    older, large, younger = jobs_of_three_ages
    urgent = bench.submit({"count": 1}, priority=90)
    worker = bench.worker()
    given = [bench.take(worker).task.job for _ in range(1 + 2 + 150 + 2 + 1)]
    assert given == [urgent.id] + [older.id] * 2 + [large.id] * 150 + [younger.id] * 2 + [low.id]


def test_what_came_back_goes_before_what_was_never_begun(bench: Bench) -> None:
    bench.submit({"count": 150})
    bad, good = bench.worker("bad"), bench.worker("good")
    assert indices(bench.claim(good, slots=2)) == [0, 1]
    bench.fail(bench.take(bad))
    assert indices(bench.claim(good, slots=3)) == [2, 3, 4]


def test_a_new_priority_moves_all_of_it(bench: Bench) -> None:
    first, second = bench.submit({"count": 150}), bench.submit({"count": 150})
    worker = bench.worker()
    assert bench.take(worker).task.job == first.id
    jobs.change(bench.farm, second.id, priority=60)
    given = bench.take(worker)
    assert (given.task.job, given.task.priority) == (second.id, 60)


def test_a_claim_of_many_takes_what_a_large_step_has_left_and_goes_on(bench: Bench) -> None:
    large = bench.submit({"count": 120})
    bench.clock.advance(1_000)
    small = bench.submit({"count": 5})
    given = bench.claim(bench.worker(), slots=123)
    assert [a.task.job for a in given] == [large.id] * 120 + [small.id] * 3
    assert len({a.task.id for a in given}) == 123


# ---- failures ------------------------------------------------------------------------------------------------------


def test_a_worker_that_fails_three_tasks_is_blocked_for_all_of_it(bench: Bench) -> None:
    bad, good = bench.worker("bad"), bench.worker("good")
    bench.submit({"count": 150})
    for _ in range(3):
        bench.fail(bench.take(bad))
    assert bench.claim(workers.get(bench.farm, bad.id)) == []
    assert len(bench.claim(good, slots=150)) == 150


def test_a_blocked_worker_goes_on_when_it_is_the_only_one(bench: Bench) -> None:
    alone = bench.worker()
    job = bench.submit({"count": 101}, max_retries=0)
    for _ in range(101):
        bench.fail(bench.take(workers.get(bench.farm, alone.id)))
    assert bench.job(job).status == "failed"
    assert bench.counts(job) == {"failed": 101}


def test_the_first_failure_stops_all_of_it(bench: Bench) -> None:
    job = bench.submit({"count": MILLION}, on_failure="stop", max_retries=0)
    worker = bench.worker()
    running, failing = bench.claim(worker, slots=2)
    bench.fail(failing)
    assert bench.job(job).status == "failed"
    assert bench.claim(worker) == []
    assert tasks.get(bench.farm, running.task.id).cancel_reason == "job failed"
    bench.report(running)
    assert bench.job(job).settled
    assert bench.counts(job) == {"completed": 1, "failed": 1, "canceled": MILLION - 2}


def test_a_lost_lease_brings_the_task_back(bench: Bench) -> None:
    bench.submit({"count": 150})
    silent, other = bench.worker("silent"), bench.worker("other")
    lost = bench.take(silent)
    bench.clock.advance(300_000)
    sweeping.sweep(bench.farm)
    again = bench.take(other)
    assert (again.task.id, again.lease.generation) == (lost.task.id, 2)


# ---- in shards -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sharded(clock: SimulatedClock) -> Bench:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    return Bench(make_farm(table, clock, limits=Limits(shard_tasks=100)), clock)


def test_workers_begin_with_different_shards_and_finish_all(sharded: Bench) -> None:
    job = sharded.submit({"count": 750})
    assert step_of(sharded, job).shards == 7
    crew = [sharded.worker(f"w{n}") for n in range(7)]
    begun = [sharded.take(worker) for worker in crew]
    assert len({a.task.index // 100 for a in begun}) == 7
    for assignment in begun:
        sharded.report(assignment)
    assert sharded.work_off(crew[0]) == 743
    assert sharded.job(job).status == "completed"
    assert sharded.counts(job) == {"completed": 750}


def test_the_feed_sees_a_large_step_begin(bench: Bench) -> None:
    job = bench.submit({"count": 150})
    given = bench.take(bench.worker())
    events.tasks_changed(bench.farm, [given.task.id, given.task.id + 1])
    assert bench.job(job).status == "active"
    assert bench.job(job).counts["active"] == 1 and bench.job(job).counts["queued"] == 149


def test_why_a_task_waits_and_a_worker_idles_can_be_asked_of_what_nobody_has_begun(bench: Bench) -> None:
    job = bench.submit({"count": 1_500})
    assert [reason.code for reason in why_waiting.of_job(bench.farm, job)] == ["gone"]
    worker = bench.worker()
    assert [reason.text for reason in why_idle.of_worker(bench.farm, worker)] == [
        "1,500 queued of type 'sleep': it gets one with its next call"
    ]
    base = step_of(bench, job).base
    for index, ahead in ((0, []), (9, ["9"]), (1_499, ["at least 100"])):
        reasons = why_waiting.of_task(bench.farm, tasks.get(bench.farm, base + index))
        said = [f"{number} tasks of higher priority, or older ones, go first" for number in ahead]
        assert [reason.text for reason in reasons] == [*said, "free, and take it with their next call: w"]


def test_everybody_who_waits_hears_of_a_large_step(tmp_path: Path, clock: SimulatedClock) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    bench = Bench(make_farm(table, clock), clock)
    table.subscribe(rings(bench.farm.bell))
    bench.submit()
    bench.work_off(bench.worker("first"))  # the lane is known: nobody is woken for a new one
    crew = [bench.worker(f"w{number}") for number in range(3)]
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(claiming.claim_or_wait, bench.farm, worker, "w", seconds=20) for worker in crew]
        bench.submit({"count": 150})
        assert {a.task.index for call in calls for a in call.result(timeout=15).assignments} == {0, 1, 2}
    table.close()
