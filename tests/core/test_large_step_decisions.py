"""What people decide about a large step holds for all of it at once, and costs nothing for what nobody has begun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from chalicelib.core import claiming, jobs, sweeping, tasks
from chalicelib.core.errors import BadInput
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.lifecycle import Outcome, TaskStatus
from chalicelib.core.model import Job
from chalicelib.core.plans import StepPlan
from chalicelib.core.ports import Add, Update
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from tests.core.conftest import Bench, make_farm
from tests.core.ladder import Ladder
from tests.engines.simulated import SimulatedClock, SimulatedTable
from tests.store.engines import dynamo_table_with, moto_client

MILLION = 1_000_000
WRITES = ("write", "update", "write_many")


def items_of(bench: Bench, job: Job) -> int:
    """How many tasks have been written."""
    step = bench.farm.jobs.steps(job.id)[0]
    return sum(1 for cursor in bench.farm.cursors.of(step) for index in range(cursor.first, cursor.given))


def test_a_cancel_ends_all_of_it(bench: Bench) -> None:
    job = bench.submit({"count": MILLION})
    worker = bench.worker()
    running = bench.claim(worker, slots=3)
    canceled = jobs.cancel(bench.farm, job.id)
    assert canceled.status == "canceled" and not canceled.settled
    assert bench.claim(worker) == []
    assert [tasks.get(bench.farm, a.task.id).cancel_reason for a in running] == ["job canceled"] * 3
    assert bench.counts(job) == {"active": 3, "canceled": MILLION - 3}
    for assignment in running:
        bench.report(assignment, Outcome.CANCELED)
    assert bench.job(job).settled
    assert bench.counts(job) == {"canceled": MILLION}
    step = bench.farm.jobs.steps(job.id)[0]
    last = tasks.get(bench.farm, step.base + MILLION - 1)
    assert (last.status, last.error) == (TaskStatus.CANCELED, "job canceled")
    assert items_of(bench, job) == 100  # the window that was begun is whole; nothing behind it was written


class Refuses(Ladder):
    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        raise BadInput("this version wants something else")


def test_a_job_with_a_hole_ends_when_its_settings_are_no_longer_accepted(bench: Bench) -> None:
    """A claim died, the farm was upgraded, and then somebody paused the job."""
    job = bench.submit({"count": 150})
    bench.report(bench.take(bench.worker()))
    [cursor] = bench.farm.cursors.of(bench.farm.jobs.steps(job.id)[0])
    key = keys.cursor(job.id, cursor.step, cursor.shard)
    bench.farm.table.update(Update(key, (Add("next", 2),)))
    upgraded = Farm(bench.farm.table, bench.farm.objects, bench.clock, bench.farm.bell, {"ladder": Refuses()})
    jobs.pause(upgraded, job.id)
    ended = jobs.get(upgraded, job.id)
    assert (ended.status, ended.error, ended.settled) == ("failed", "this version wants something else", True)
    assert Bench(upgraded, bench.clock).counts(job) == {"completed": 1, "canceled": 149}


def test_what_was_never_begun_is_canceled_at_once(bench: Bench) -> None:
    job = bench.submit({"count": MILLION})
    canceled = jobs.cancel(bench.farm, job.id)
    assert canceled.settled and items_of(bench, job) == 0
    assert bench.counts(job) == {"canceled": MILLION}


def test_another_process_gives_nothing_away_after_a_cancel(bench: Bench) -> None:
    """Although what it knows of the registry is a second old."""
    elsewhere = make_farm(bench.farm.table, bench.clock)
    worker = bench.worker()
    job = bench.submit({"count": MILLION})
    assert claiming.claim(elsewhere, worker, "a").assignments
    jobs.cancel(bench.farm, job.id)
    assert claiming.claim(elsewhere, worker, "b").assignments == ()


def test_a_paused_step_goes_on_where_it_was(bench: Bench) -> None:
    job = bench.submit({"count": 4_000})
    worker = bench.worker()
    running = bench.take(worker)
    jobs.pause(bench.farm, job.id)
    assert bench.claim(worker) == []
    assert bench.counts(job)["paused"] >= 3_999
    assert bench.report(running).status is TaskStatus.COMPLETED
    jobs.resume(bench.farm, job.id)
    assert bench.take(worker).task.index == 1
    assert bench.counts(job)["completed"] == 1


def test_a_retry_gives_away_what_a_cancel_kept_back(bench: Bench) -> None:
    job = bench.submit({"count": 450}, {"count": 1, "after": [0]})
    worker = bench.worker()
    for assignment in bench.claim(worker, slots=130):
        bench.report(assignment)
    for _ in range(2):
        jobs.cancel(bench.farm, job.id)
        assert bench.counts(job)["canceled"] == 320
        jobs.retry(bench.farm, job.id)
    assert bench.counts(job) == {"completed": 130, "queued": 320}
    done: Counter[int] = Counter()
    while given := bench.claim(worker, slots=7):
        done.update(a.task.id for a in given if bench.report(a))
    assert len(done) == 321 and set(done.values()) == {1}
    assert bench.job(job).status == "completed"
    assert bench.counts(job) == {"completed": 451}


def test_a_retry_of_what_failed_looks_only_where_something_failed(bench: Bench) -> None:
    job = bench.submit({"count": 500}, max_retries=0)
    worker, helper = bench.worker(), bench.worker("helper")
    for assignment in bench.claim(worker, slots=500):
        bench.fail(assignment) if assignment.task.index == 321 else bench.report(assignment)
    assert bench.job(job).status == "failed"
    step = bench.farm.jobs.steps(job.id)[0]
    assert [window.number for window in bench.farm.windows.shut(step)] == [3]
    jobs.retry(bench.farm, job.id)
    assert bench.take(helper).task.id == step.base + 321


@pytest.mark.parametrize("decision", ["pause", "cancel", "priority"])
def test_a_decision_costs_the_same_for_a_thousand_and_a_million(clock: SimulatedClock, decision: str) -> None:
    def requests_of_a_decision(count: int) -> Counter[str]:
        counted = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
        bench = Bench(make_farm(counted, clock, limits=Limits(most_shards=1)), clock)
        job = bench.submit({"count": count})
        bench.claim(bench.worker(), slots=5)
        counted.requests.clear()
        if decision == "priority":
            jobs.change(bench.farm, job.id, priority=80)
        else:
            {"pause": jobs.pause, "cancel": jobs.cancel}[decision](bench.farm, job.id)
        return counted.requests

    small, large = requests_of_a_decision(1_000), requests_of_a_decision(MILLION)
    assert [small[kind] for kind in WRITES] == [large[kind] for kind in WRITES]
    assert small["get"] == large["get"] and small.total() < 60
    assert large["query"] <= small["query"] + 6 * 20, "a pass over the open windows asks one partition for 51,200 tasks"


def test_a_sweep_of_a_large_step_does_not_read_its_tasks(clock: SimulatedClock) -> None:
    counted = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
    bench = Bench(make_farm(counted, clock), clock)
    bench.submit({"count": MILLION})
    worker = bench.worker()
    for assignment in bench.claim(worker, slots=1_000):
        bench.report(assignment)
    sweeping.sweep(bench.farm)  # the first one looks through the items for an older form
    for _ in range(4):
        clock.advance(61_000)
        counted.requests.clear()
        sweeping.sweep(bench.farm)
        assert sum(counted.requests.values()) < 80


def test_every_decision_is_carried_out_on_dynamodb(clock: SimulatedClock) -> None:
    """Moto takes the expressions literally, which the other engines do not see."""
    with moto_client() as client:
        bench = Bench(make_farm(dynamo_table_with(client, INDEXES), clock, limits=Limits(shard_tasks=100)), clock)
        job = bench.submit({"count": 210})
        worker = bench.worker()
        for assignment in bench.claim(worker, slots=3):
            bench.report(assignment)
        jobs.change(bench.farm, job.id, priority=80)
        jobs.pause(bench.farm, job.id)
        assert bench.claim(worker) == []
        jobs.resume(bench.farm, job.id)
        assert bench.take(worker).task.priority == 80
        jobs.cancel(bench.farm, job.id)
        clock.advance(300_000)
        sweeping.sweep(bench.farm)
        assert bench.job(job).settled and bench.counts(job) == {"completed": 3, "canceled": 207}
        jobs.retry(bench.farm, job.id)
        assert bench.counts(job) == {"completed": 3, "queued": 207}
        clock.advance(61_000)
        sweeping.sweep(bench.farm)
        jobs.cancel(bench.farm, job.id)
        jobs.delete(bench.farm, job.id)
        assert bench.farm.jobs.get(job.id) is None
