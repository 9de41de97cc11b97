"""Who gets what, in which order, at which price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import claiming, jobs, leases, sweeping, workers
from chalicelib.core.lifecycle import TaskStatus
from chalicelib.core.model import Job, Worker
from chalicelib.core.ports import Put
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable
from tests.store.engines import dynamo_table_with, moto_client


def test_a_worker_gets_only_what_it_can_run(bench: Bench) -> None:
    bench.submit({"count": 1, "task_type": "render"})
    assert bench.claim(bench.worker("a", "sleep")) == []
    assert bench.take(bench.worker("b", "render")).task.status is TaskStatus.ACTIVE


def test_higher_priority_first_and_then_the_older(bench: Bench) -> None:
    low, first, second = (bench.submit(priority=p) for p in (10, 90, 90))
    worker = bench.worker()
    assert [bench.take(worker).task.job for _ in range(3)] == [first.id, second.id, low.id]


def test_priority_holds_across_lanes(bench: Bench) -> None:
    low = bench.submit({"count": 1, "task_type": "sleep"}, priority=10)
    high = bench.submit({"count": 1, "task_type": "debug"}, priority=90)
    worker = bench.worker("a", "sleep", "debug")
    assert [bench.take(worker).task.job for _ in range(2)] == [high.id, low.id]


def test_tags_are_required_forbidden_or_wished_for(bench: Bench) -> None:
    needs, never, wish = bench.submit(tags=("gpu",)), bench.submit(tags=("-gpu",)), bench.submit(tags=("~gpu",))
    plain = bench.worker("plain", "sleep")
    with_gpu = bench.worker("gpu", "sleep", tags=("gpu",))
    assert {a.task.job for a in bench.claim(with_gpu, slots=5)} == {needs.id, wish.id}
    assert {a.task.job for a in bench.claim(plain, slots=5)} == {never.id}


def test_a_wish_is_granted_among_equals(bench: Bench) -> None:
    bench.submit(tags=("~cpu",))
    wished = bench.submit(tags=("~gpu",))
    assert bench.take(bench.worker("gpu", "sleep", tags=("gpu",))).task.job == wished.id


def test_a_repeated_claim_gets_the_same_task(bench: Bench) -> None:
    bench.submit({"count": 3})
    worker = bench.worker()
    first = claiming.claim(bench.farm, worker, "same", slots=2).assignments
    again = claiming.claim(bench.farm, worker, "same", slots=2, repeat=True).assignments
    assert [a.lease.generation for a in again] == [a.lease.generation for a in first]
    assert [a.task.id for a in again] == [a.task.id for a in first]


def test_a_worker_asked_to_sleep_gets_nothing(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    asked = workers.request_status(bench.farm, worker.id, "asleep", lazy=False)
    assert bench.claim(asked) == []


def test_what_failed_on_a_worker_goes_to_another_one_first(bench: Bench) -> None:
    bench.submit()
    bad, good = bench.worker("bad"), bench.worker("good")
    bench.fail(bench.take(bad))
    assert bench.claim(bad) == []
    assert bench.take(good).lease.generation == 2


def test_what_failed_on_the_only_worker_comes_back_to_it(bench: Bench) -> None:
    job = bench.submit(max_retries=2)
    alone = bench.worker()
    for _ in range(3):
        bench.fail(bench.take(alone))
    assert bench.claim(alone) == []
    assert bench.job(job).status == "failed"


def test_a_silent_worker_does_not_count_as_somebody_else(bench: Bench) -> None:
    bench.submit()
    bad, silent = bench.worker("bad"), bench.worker("silent")
    bench.fail(bench.take(bad))
    bench.clock.advance(200_000)
    assert silent.id != bench.take(bad).lease.worker


@pytest.mark.parametrize("count", [1, 500])
def test_what_nobody_came_for_in_days_is_still_given_away(bench: Bench, count: int) -> None:
    bench.submit({"count": count})
    for _ in range(3):
        bench.clock.advance(24 * 3600 * 1000 + 1)
        sweeping.sweep(bench.farm)
    assert bench.take(bench.worker()).task.status is TaskStatus.ACTIVE


def test_a_lane_that_nobody_used_for_a_day_is_forgotten_once_it_is_empty(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    bench.work_off(worker)
    bench.clock.advance(24 * 3600 * 1000 + 1)
    sweeping.sweep(bench.farm)
    assert bench.farm.registry.refresh().lanes == ()
    bench.submit()
    assert bench.work_off(worker) == 1


CLASSES = ("sleep", "echo", "debug", "render", "encode")


def filled(bench: Bench, *, best: int = 4) -> tuple[Worker, Job]:
    """So many lanes with urgent work, all of it done, and one more with less urgent work; a worker that serves all."""
    for priority, task_type in enumerate(CLASSES[:best], start=60):
        bench.submit({"count": 1, "task_type": task_type}, priority=priority)
    worker = bench.worker("all", *CLASSES)
    while given := bench.claim(worker):
        bench.report(given[0])
    return worker, bench.submit({"count": 1, "task_type": CLASSES[best]}, priority=50)


@pytest.mark.parametrize("best", [3, 4])
def test_work_does_not_wait_behind_lanes_that_are_empty(bench: Bench, best: int) -> None:
    worker, job = filled(bench, best=best)
    given = next(given for _ in range(50) if (given := bench.claim(worker)))
    assert given[0].task.job == job.id


def test_a_lane_that_has_become_empty_goes_behind_the_others(bench: Bench) -> None:
    worker, _ = filled(bench)
    bench.clock.advance(12 * 60 * 1000)
    sweeping.sweep(bench.farm)
    assert {lane.requirement.task_type for lane in bench.farm.registry.refresh().lanes if lane.top} == {CLASSES[4]}
    bench.take(worker)
    urgent = bench.submit({"count": 1, "task_type": CLASSES[0]}, priority=10)
    assert bench.take(worker).task.job == urgent.id  # whoever puts something in again says so


def with_another_process(bench: Bench) -> tuple[Worker, Bench]:
    """Another manager of this farm, and a worker for which three lanes hold much of priority 60."""
    for task_type in CLASSES[:3]:
        bench.submit({"count": 5, "task_type": task_type}, priority=60)
    return bench.worker("all", *CLASSES), Bench(make_farm(bench.farm.table, bench.clock), bench.clock)


def test_what_is_put_into_a_lane_while_its_top_falls_waits_for_the_sweep_at_most(bench: Bench) -> None:
    worker, other = with_another_process(bench)
    bench.submit({"count": 1, "task_type": "render"}, priority=90)
    bench.submit({"count": 2, "task_type": "render"}, priority=40)
    bench.clock.advance(61_000)
    bench.take(worker)
    other.farm.registry.read()  # it knows the lane as one for 90, and sees no need to say so again
    while bench.claim(bench.worker("renders", "render")):
        pass  # what is left there is less urgent, and the lane's top falls
    urgent = other.submit({"count": 1, "task_type": "render"}, priority=90)
    sweeping.sweep(bench.farm)
    assert bench.take(worker).task.job == urgent.id


def test_whoever_refreshes_a_lane_takes_nothing_off_what_another_has_just_said(bench: Bench) -> None:
    worker, other = with_another_process(bench)
    bench.submit({"count": 1, "task_type": "render"}, priority=40)
    bench.clock.advance(11 * 60 * 1000)
    other.farm.registry.read()
    urgent = bench.submit({"count": 1, "task_type": "render"}, priority=90)
    other.submit({"count": 1, "task_type": "render"}, priority=40)
    bench.farm.registry.forget()
    assert bench.take(worker).task.job == urgent.id


def test_a_worker_that_meets_urgent_work_in_a_low_lane_tells_the_others(bench: Bench) -> None:
    worker, _ = with_another_process(bench)
    urgent = bench.submit({"count": 2, "task_type": "render"}, priority=90)
    [lane] = [lane for lane in bench.farm.registry.read().lanes if lane.requirement.task_type == "render"]
    bench.farm.lanes.correct(lane, 40, bench.clock.now())
    bench.farm.registry.forget()
    assert bench.take(bench.worker("renders", "render")).task.job == urgent.id
    assert bench.take(worker).task.job == urgent.id


def test_what_a_worker_does_not_know_of_is_released(bench: Bench) -> None:
    job = bench.submit({"count": 2})
    worker = bench.worker()
    known, _ = bench.claim(worker, slots=2)
    claiming.reconcile(bench.farm, worker, [(known.task.id, known.lease.generation)], at_start=True)
    assert [task.status for task in bench.tasks(job)] == ["active", "queued"]


def test_a_fresh_claim_is_not_taken_for_forgotten(bench: Bench) -> None:
    job = bench.submit()
    worker = bench.worker()
    bench.take(worker)
    claiming.reconcile(bench.farm, worker, [])
    assert [task.status for task in bench.tasks(job)] == ["active"]
    bench.clock.advance(59_000)
    claiming.reconcile(bench.farm, worker, [])
    assert [task.status for task in bench.tasks(job)] == ["active"]
    bench.clock.advance(2_000)
    claiming.reconcile(bench.farm, worker, [])
    assert [task.status for task in bench.tasks(job)] == ["queued"]


def test_a_call_that_comes_late_takes_nothing_from_its_worker_that_it_was_given_since(bench: Bench) -> None:
    """As when one of several processes was frozen with it, and another answered its repetition."""
    job = bench.submit()
    worker = bench.worker()
    given = bench.take(worker)
    bench.clock.advance(40_000)
    leases.renew(bench.farm, worker.id, given.task.id, given.lease.generation, None, None)
    bench.clock.advance(40_000)
    claiming.reconcile(bench.farm, worker, [])
    assert [task.status for task in bench.tasks(job)] == ["active"]
    bench.report(given)
    assert bench.job(job).status == "completed"


def test_a_worker_that_fails_three_tasks_of_a_job_is_blocked_for_the_rest(bench: Bench) -> None:
    bad, good = bench.worker("bad"), bench.worker("good")
    job = bench.submit({"count": 5})
    for _ in range(3):
        bench.fail(bench.take(bad))
    blocked = workers.get(bench.farm, bad.id)
    assert blocked.blocked == {(job.id, "sleep")}
    assert bench.claim(blocked) == []
    other = bench.submit()
    assert bench.take(blocked).task.job == other.id
    assert bench.work_off(good) == 5
    bench.farm.workers.unblock(bad.id, job.id, "sleep")
    assert workers.get(bench.farm, bad.id).blocked == set()


def test_a_worker_is_blocked_also_right_after_its_contact_was_noted(bench: Bench) -> None:
    """Every call that claims notes it first, with a write now and then: the worker of that write has its blocklist."""
    job = bench.submit()
    one = bench.worker("one")
    bench.worker("other")
    bench.farm.workers.block(one.id, job.id, "sleep", 0)
    bench.clock.advance(25_000)
    seen = workers.contact(bench.farm, workers.get(bench.farm, one.id), wants_work=True)
    assert seen.last_contact_at == bench.clock.now()
    assert seen.blocked == {(job.id, "sleep")} and bench.claim(seen) == []


MANY = 1_200
"""More than a claim looks at, on any engine."""


def blocked(bench: Bench, job: Job, *kinds: str) -> Worker:
    """A worker for two task types that is blocked for the job, while another is not."""
    one, _ = bench.worker("one", "sleep", "echo"), bench.worker("another", "sleep", "echo")
    for kind in kinds:
        bench.farm.workers.block(one.id, job.id, kind, 0)
    return workers.get(bench.farm, one.id)


def test_what_it_is_blocked_for_hides_nothing_from_a_worker_however_much_that_is(bench: Bench) -> None:
    job = bench.submit({"count": MANY, "alike": False}, {"count": 200, "alike": False, "task_type": "echo"})
    worker = blocked(bench, job, "sleep", "echo")
    bench.clock.advance(1_000)
    other, lower = bench.submit(), bench.submit({"count": 1, "task_type": "echo"}, priority=10)
    assert {given.task.job for given in bench.claim(worker, slots=3)} == {other.id, lower.id}
    assert bench.claim(worker) == []


def test_nor_what_else_the_same_job_has_for_it(bench: Bench) -> None:
    """Tasks of one step may be of several types; for others than the one it is not blocked."""
    kinds = ["sleep"] * MANY + ["echo"] * 2 + ["sleep"] * 50
    echo = [{"name": "echo", "settings": {"message": "hello"}}]
    tasks = [{"name": f"{number}", "task_type": kind, "commands": echo} for number, kind in enumerate(kinds)]
    job = jobs.submit(bench.farm, jobs.Submission("mixed", "commands", {"tasks": tasks}))
    worker = blocked(bench, job, "sleep")
    assert [given.task.index for given in bench.claim(worker, slots=3)] == [MANY, MANY + 1]


def test_a_blocked_worker_goes_on_when_nobody_else_can(bench: Bench) -> None:
    job = bench.submit({"count": 4}, max_retries=0)
    alone = bench.worker()
    for _ in range(4):
        bench.fail(bench.take(workers.get(bench.farm, alone.id)))
    assert bench.job(job).status == "failed"


# ---- the price -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with moto_client() as client:
        yield client


WORK = {"task_type": "sleep", "commands": [{"name": "echo", "settings": {"message": "hi"}}]}


def queue(bench: Bench, tasks: int) -> None:
    for start in range(0, tasks, 10_000):
        settings = {"tasks": [WORK | {"name": f"t{i}"} for i in range(start, min(tasks, start + 10_000))]}
        jobs.submit(bench.farm, jobs.Submission("many", "commands", settings))


def requests_of_a_claim(bench: Bench, requests: Counter[str]) -> dict[str, int]:
    worker = bench.worker()
    bench.take(worker)  # the registry is read, the process is warm
    before = requests.copy()
    assert bench.take(worker).task.job_name == "many"
    return dict(requests - before)


@pytest.mark.parametrize("tasks", [10, 2_000])
def test_a_claim_on_dynamodb_is_one_read_and_one_write(moto: Any, clock: SimulatedClock, tasks: int) -> None:
    """The items are made on a quicker table and copied: moto takes minutes for 2,000 tasks in transactions."""
    quick = SimulatedTable(INDEXES, seed=1, clock=clock)
    queue(Bench(make_farm(quick, clock), clock), tasks)
    table = dynamo_table_with(moto, INDEXES)
    table.write_many([[Put(item)] for item in quick.items()])
    assert requests_of_a_claim(Bench(make_farm(table, clock), clock), table.requests) == {"query": 1, "update_item": 1}


@pytest.mark.parametrize("tasks", [10, 20_000])
def test_a_claim_on_sqlite_is_one_read_and_one_write(tmp_path: Path, clock: SimulatedClock, tasks: int) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    counted = CountingTable(table)
    bench = Bench(make_farm(counted, clock), clock)
    queue(bench, tasks)
    assert requests_of_a_claim(bench, counted.requests) == {"take": 1, "query": 1, "write": 1}
    table.close()
