"""`max_workers`: never more of a job's tasks at once, whoever claims at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import (
    claiming,
    completing,
    fleet_watching,
    gates,
    jobs,
    leases,
    sweeping,
    why_idle,
    why_waiting,
    workers,
)
from chalicelib.core.errors import BadInput
from chalicelib.core.farm import Limits
from chalicelib.core.fleet_watching import Abilities
from chalicelib.core.lifecycle import Outcome, TaskStatus
from chalicelib.core.model import Assignment, Job, JobId, Worker
from chalicelib.core.ports import Item, Key, Operation, Page, Table, Update
from chalicelib.core.reasons import Code
from chalicelib.core.records.keys import IDS_SINCE, INDEXES, ready_sk_from, served_sk
from chalicelib.core.registry import Stops
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import Faults, SimulatedClock, SimulatedTable
from tests.store.engines import dynamo_table_with, moto_client


def limited(bench: Bench, *rungs: dict[str, object], most: int = 2, **wanted: object) -> Job:
    return bench.submit(*(rungs or ({"count": 10},)), max_workers=most, **wanted)


@pytest.mark.parametrize("rung", [{"count": 10}, {"count": 500}, {"count": 10, "alike": False}])
def test_no_more_run_at_once(bench: Bench, rung: dict[str, object]) -> None:
    limited(bench, rung)
    worker = bench.worker()
    given = bench.claim(worker, slots=5)
    assert len(given) == 2
    assert bench.claim(worker, slots=5) == []
    bench.report(given[0])
    assert len(bench.claim(worker, slots=5)) == 1


@pytest.mark.parametrize("rung", [{"count": 7}, {"count": 130}, {"count": 7, "alike": False}])
def test_all_of_it_is_worked_off(bench: Bench, rung: dict[str, object]) -> None:
    job = limited(bench, rung, {"count": 3, "trails": 0})
    bench.work_off(bench.worker())
    assert bench.job(job).status == "completed"
    gate = bench.farm.gates.get(job.id)
    assert gate is not None and (gate.over, gate.tickets) == (-2, {})


def test_other_jobs_go_on_behind_a_full_one(bench: Bench) -> None:
    first = limited(bench, {"count": 100}, most=1, priority=90)
    second = bench.submit({"count": 2})
    worker = bench.worker()
    assert [given.task.job for given in bench.claim(worker, slots=4)] == [first.id, second.id, second.id]


@pytest.mark.parametrize("full", [9, 100])
def test_nor_do_many_full_ones_hide_what_is_less_urgent(bench: Bench, full: int) -> None:
    """Also from a worker that comes seldom, to processes that have nothing in mind any more."""
    for _ in range(full):
        limited(bench, {"count": 3}, most=1, priority=60)
    worker = bench.worker()
    assert sum(len(bench.claim(worker)) for _ in range(full)) == full
    other = bench.submit({"count": 1})
    for _ in range(3):
        bench.clock.advance(2_000)
        if given := bench.claim(worker):
            break
    assert [one.task.job for one in given] == [other.id]


def test_a_worker_finds_the_one_that_is_not_full_among_many_that_are(bench: Bench) -> None:
    among = [limited(bench, {"count": 3}, most=1) for _ in range(30)]
    worker = bench.worker()
    given = [bench.take(worker) for _ in among]
    bench.clock.advance(2_000)
    bench.report(given[20])
    bench.clock.advance(2_000)
    assert bench.take(worker).task.job == given[20].task.job
    assert bench.claim(worker) == []


MANY = 450
"""More than a claim looks at, on any engine."""


def test_nor_does_a_full_one_hide_them_by_many_tasks_that_stand_by_themselves(bench: Bench) -> None:
    full = [limited(bench, {"count": MANY, "alike": False}, most=1, priority=p) for p in (60, 60, 60, 60, 50)]
    bench.clock.advance(1_000)
    later = bench.submit({"count": 1})
    lower = bench.submit({"count": 1, "task_type": "echo"}, priority=10)
    worker = bench.worker("all", "sleep", "echo")
    given = bench.claim(worker, slots=9)
    assert [one.task.job for one in given] == [*(job.id for job in full), later.id, lower.id]
    bench.report(given[0])
    bench.clock.advance(2_000)  # nobody has anything in mind any more
    assert [one.task.job for one in bench.claim(worker, slots=9)] == [full[0].id]
    latest = bench.submit({"count": 1})
    bench.clock.advance(2_000)
    assert bench.take(worker).task.job == latest.id


def test_nor_by_many_of_a_large_step_that_run_again(bench: Bench) -> None:
    full = limited(bench, {"count": MANY + 50}, most=MANY)
    worker = bench.worker()
    for given in [one for _ in range(MANY) for one in bench.claim(worker)]:
        bench.report(given, Outcome.RELEASED)
    jobs.change(bench.farm, full.id, max_workers=1)
    bench.clock.advance(2_000)
    bench.take(worker)
    other = bench.submit({"count": 1})
    assert bench.take(worker).task.job == other.id


def asked(bench: Bench, worker: Worker, *, takes_excluded: bool = True) -> list[JobId]:
    """A worker's call, a second and a half after the last: nobody has in mind any more what was full. Whoever gets
    nothing is not told to ask again at once."""
    bench.clock.advance(1_500)
    bench.requests += 1
    claimed = claiming.claim(bench.farm, worker, f"r{bench.requests}", takes_excluded=takes_excluded)
    assert not claimed.contended
    return [one.task.job for one in claimed.assignments]


@pytest.mark.parametrize(
    ("full", "count"),
    [
        pytest.param(12, 80, id="a page each"),
        pytest.param(14, 11, id="a few each"),
        pytest.param(40, 41, id="too many"),
    ],
)
def test_however_many_full_jobs_there_are_all_get_workers_and_hide_nothing(bench: Bench, full: int, count: int) -> None:
    """Also where more of their tasks stand one by one than a claim looks at."""
    among = {limited(bench, {"count": count, "alike": False}, most=1).id for _ in range(full)}
    bench.clock.advance(1_000)
    behind = bench.submit({"count": 1}, priority=10)
    worker = bench.worker()
    given = [job for _ in range(2 * full + 5) for job in asked(bench, worker)]
    assert set(given) == among | {behind.id}
    # To a process that has nothing in mind, and to one that has just looked at all of it.
    for _ in range(2):
        bench.farm = make_farm(bench.farm.table, bench.clock)
        for _ in range(2):
            later = bench.submit({"count": 1}, priority=10)
            assert [job for _ in range(8) for job in asked(bench, worker)] == [later.id]


def test_nor_do_they_hide_anything_at_the_heads_of_many_lanes(bench: Bench) -> None:
    kinds = [f"kind {number}" for number in range(30)]
    full = {limited(bench, {"count": 41, "alike": False, "task_type": kind}, most=1).id for kind in kinds}
    worker = bench.worker("all", *kinds)
    looks = 100 if bench.farm.table.exact else 500  # there each claim tries four lanes, one of them by chance
    assert {job for _ in range(looks) for job in asked(bench, worker)} == full
    bench.clock.advance(1_000)
    behind = {bench.submit({"count": 1, "task_type": kind}).id for kind in kinds}
    assert {job for _ in range(looks) for job in asked(bench, worker)} == behind


def test_nor_do_they_hide_it_behind_what_is_kept_from_a_worker_alone(bench: Bench) -> None:
    """At the head of the lane and in the middle of it: that stays for others, who find it at once."""
    worker, other = bench.worker("one"), bench.worker("another")
    many: dict[str, Any] = {"count": 41, "alike": False}
    kept = bench.submit({"count": 1, "alike": False}, priority=90)
    among = {limited(bench, many, most=1).id for _ in range(3)}
    bench.clock.advance(1_000)
    also_kept = bench.submit({"count": 1, "alike": False})
    for given in bench.claim(worker, slots=5):
        if given.task.job in (kept.id, also_kept.id):
            bench.fail(given)
    bench.clock.advance(1_000)
    among |= {limited(bench, many, most=1).id for _ in range(25)}
    behind = bench.submit({"count": 1}, priority=10)
    bench.clock.advance(60_000)  # they may be tried again
    found = [job for _ in range(2 * len(among)) for job in asked(bench, worker, takes_excluded=False)]
    assert {*found, *among} == {*among, behind.id}
    assert len(found) == 25 + 1
    assert [job for _ in range(2) for job in asked(bench, other)] == [kept.id, also_kept.id]


def test_where_a_worker_stopped_is_known_until_it_looks_there_again(bench: Bench) -> None:
    """Where indexes lag a claim tries four lanes, and another four the next time."""
    registry = bench.farm.registry
    registry.note_stop(1, Stops({"x": "3"}, {"a": "5", "b": "6"}))
    assert registry.stopped_at(1, ["a", "c"]) == ({}, {"a": "5"})
    registry.note_stop(1, Stops({}, {"a": "7"}))
    assert registry.stopped_at(2, ["a", "b", "x"]) == ({"x": "3"}, {})
    assert registry.stopped_at(1, ["a", "b", "x"]) == ({}, {"a": "7", "b": "6"})
    assert registry.stopped_at(1, ["a", "b", "x"]) == ({}, {})


class Looks(SimulatedTable):
    """Counts how often it is asked."""

    asked = 0

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        self.asked += 1
        return super().get_many(keys)

    def query(self, pk: str, **how: Any) -> Page:
        self.asked += 1
        return super().query(pk, **how)


def test_how_much_of_a_full_job_stands_in_the_way_costs_nothing(clock: SimulatedClock) -> None:
    cost = []
    for count in (MANY, 4 * MANY):
        table = Looks(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
        bench = Bench(make_farm(table, clock), clock)
        limited(bench, {"count": count, "alike": False}, most=1)
        clock.advance(1_000)
        other = bench.submit({"count": 5})
        worker = bench.worker()
        bench.claim(worker)
        bench.take(worker)  # who has found it full
        clock.advance(500)
        before = table.asked
        assert bench.take(worker).task.job == other.id
        cost.append(table.asked - before)
    assert cost[0] == cost[1] <= 3, cost


def test_an_idle_worker_costs_a_read_for_each_full_job_that_fills_a_page(clock: SimulatedClock) -> None:
    cost = []
    for count in (80, 300):
        table = Looks(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
        bench = Bench(make_farm(table, clock), clock)
        full = [limited(bench, {"count": count, "alike": False}, most=1) for _ in range(12)]
        worker = bench.worker()
        given = [job for _ in range(20) for job in asked(bench, worker)]
        assert set(given) == {job.id for job in full}
        before = table.asked
        assert asked(bench, worker) == []
        cost.append(table.asked - before)
    assert cost[0] == cost[1] <= 12 + 4, cost  # the lanes, the head twice, and whether the others are full


def test_who_stops_at_a_gate_reads_no_further(clock: SimulatedClock) -> None:
    """Neither behind it nor in other lanes: only the gate comes next."""
    table = Looks(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    bench = Bench(make_farm(table, clock), clock)
    limited(bench, {"count": 200, "alike": False}, priority=90)
    for task_type in ("echo", "blender"):
        bench.submit({"count": 200, "alike": False, "task_type": task_type})
    worker = bench.worker("all", "sleep", "echo", "blender")
    bench.farm.registry.read()
    before = table.asked
    bench.take(worker)
    assert table.asked - before == 2  # and that it has entered


def test_what_a_balanced_queue_has_served_stands_behind_the_ids_of_its_second() -> None:
    """So nobody who passes over a step's ids passes over another job's cursor."""
    second = 1_700_000_000
    last_id = (second - IDS_SINCE << 22) + (1 << 21) - 1
    places = [ready_sk_from("050.050", last_id)]
    places += [served_sk("050.050", second * 1000 + millisecond) for millisecond in (0, 1, 999)]
    places += [ready_sk_from("050.050", second + 1 - IDS_SINCE << 22)]
    assert places == sorted(places)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.RELEASED, Outcome.INTERRUPTED, Outcome.CANCELED])
def test_whatever_ends_an_attempt_lets_another_in(bench: Bench, outcome: Outcome) -> None:
    limited(bench, most=1)
    worker, other = bench.worker("a"), bench.worker("b")
    bench.report(bench.take(worker), outcome)
    bench.take(other)
    assert bench.claim(other) == []


def test_what_failed_on_everybody_is_still_given_away(bench: Bench) -> None:
    """By another way through the claim, which must pass the gate too."""
    job = limited(bench, {"count": 1}, most=1, max_retries=3)
    worker = bench.worker()
    bench.fail(bench.take(worker))
    bench.report(bench.take(worker))
    assert bench.job(job).status == "completed"


def test_a_lost_lease_lets_another_in(bench: Bench) -> None:
    limited(bench, most=1)
    worker = bench.worker()
    bench.take(worker)
    bench.clock.advance(250_000)
    sweeping.sweep(bench.farm)
    assert len(bench.claim(worker, slots=5)) == 1


def test_the_limit_can_be_changed_and_lifted(bench: Bench) -> None:
    job = limited(bench, most=1)
    worker = bench.worker()
    bench.take(worker)
    jobs.change(bench.farm, job.id, max_workers=3)
    bench.clock.advance(1_500)
    assert len(bench.claim(worker, slots=9)) == 2
    jobs.change(bench.farm, job.id, max_workers=1)
    bench.clock.advance(1_500)
    assert bench.claim(worker) == []
    jobs.change(bench.farm, job.id, max_workers=None)
    bench.clock.advance(1_500)
    assert len(bench.claim(worker, slots=9)) == 7


def test_a_job_gets_its_first_limit_later(bench: Bench) -> None:
    job = bench.submit({"count": 10})
    jobs.change(bench.farm, job.id, max_workers=2)
    assert len(bench.claim(bench.worker(), slots=9)) == 2


def test_a_retry_keeps_the_limit(bench: Bench) -> None:
    job = limited(bench, {"count": 4}, max_retries=0)
    worker = bench.worker()
    while given := bench.claim(worker):
        bench.fail(given[0])
    sweeping.sweep(bench.farm)
    assert bench.farm.gates.get(job.id) is None  # it has ended
    jobs.retry(bench.farm, job.id)
    assert len(bench.claim(worker, slots=9)) == 2


def test_a_process_that_does_not_know_of_the_limit_takes_nothing(bench: Bench) -> None:
    elsewhere = make_farm(bench.farm.table, bench.clock)
    worker = bench.worker()
    assert claiming.claim(elsewhere, worker, "a").assignments == ()  # it has read the registry
    limited(bench, most=1)
    given = [claiming.claim(elsewhere, worker, f"b{n}").assignments for n in range(4)]
    assert sum(map(len, given)) <= 1


def test_a_ticket_that_a_dead_process_left_is_found(bench: Bench) -> None:
    job = limited(bench, most=1)
    worker = bench.worker()
    assert bench.farm.gates.enter(job.id, 77, worker.id, bench.clock.now())
    assert bench.claim(worker) == []
    bench.clock.advance(gates.FORGOTTEN_MS + 1_000)
    sweeping.sweep(bench.farm)
    given = bench.take(worker)
    for _ in range(3):  # while a ticket is in use nobody takes it away
        bench.clock.advance(100_000)
        leases.renew(bench.farm, worker.id, given.task.id, given.lease.generation, None, None)
        sweeping.sweep(bench.farm)
    assert bench.claim(worker) == []


def test_people_are_told_that_it_is_full(bench: Bench) -> None:
    job = limited(bench, most=1)
    worker, other = bench.worker("a"), bench.worker("b")
    bench.take(worker)
    waiting = next(task for task in bench.tasks(job) if task.status is TaskStatus.QUEUED and task.index == 5)
    reason, busy = why_waiting.of_task(bench.farm, waiting)  # that another worker is free is no reason
    assert (reason.code, reason.text) == (Code.JOB_FULL, "the job has reached its 1 worker")
    assert busy.code is Code.BUSY
    idle = why_idle.of_worker(bench.farm, workers.get(bench.farm, other.id))[0]
    assert idle.code is Code.JOB_FULL


def test_a_limit_is_a_number_that_makes_sense(bench: Bench) -> None:
    for most in (0, -1, 1_001):
        with pytest.raises(BadInput, match="max_workers"):
            limited(bench, most=most)


def test_twenty_threads_never_run_more(tmp_path: Path, clock: SimulatedClock) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    farms = [make_farm(table, clock) for _ in range(4)]
    bench = Bench(farms[0], clock)
    job = limited(bench, {"count": 60}, most=3)
    crew = [bench.worker(f"w{number}") for number in range(20)]
    seen: list[int] = []

    def work(number: int) -> None:
        for turn in range(12):
            farm = farms[number % 4]
            for given in claiming.claim(farm, crew[number], f"{number}/{turn}").assignments:
                running = [t for t in bench.tasks(job) if t.status is TaskStatus.ACTIVE]
                seen.append(len(running))
                said = leases.Report(Outcome.COMPLETED)
                leases.report(farm, crew[number].id, given.task.id, given.lease.generation, said)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))
    assert seen and max(seen) <= 3
    table.close()


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with moto_client() as client:
        yield client


def test_what_a_limit_costs(moto: Any, clock: SimulatedClock) -> None:
    """One write and one look at the lane for a claim, a read and a write for an end; others pay nothing."""
    table = dynamo_table_with(moto, INDEXES)
    bench = Bench(make_farm(table, clock), clock)
    worker = bench.worker()
    cost: dict[int | None, tuple[dict[str, int], dict[str, int]]] = {}
    for most in (None, 5):
        bench.submit({"count": 300}, max_workers=most, priority=50 if most is None else 90)
        bench.report(bench.take(worker))
        bench.claim(worker)  # the plan is made, the window is there
        before = table.requests.copy()
        given = bench.take(worker)
        claimed = table.requests - before
        before = table.requests.copy()
        bench.report(given)
        cost[most] = dict(claimed), dict(table.requests - before)
    assert cost[None][0] == {"query": 1, "update_item": 1, "put_item": 1}
    assert cost[5][0] == {"query": 2, "update_item": 2, "put_item": 1}
    assert sum(cost[5][1].values()) == sum(cost[None][1].values()) + 2


class Deaf(SimulatedTable):
    """Each answer about a gate is lost once, and the client repeats what it wrote."""

    def write(self, *operations: Operation) -> None:
        super().write(*operations)
        if isinstance(operations[0], Update) and operations[0].key.pk.startswith("GATE#"):
            super().write(*operations)


def test_who_entered_and_did_not_hear_it_is_in(clock: SimulatedClock) -> None:
    bench = Bench(make_farm(Deaf(INDEXES, seed=1, lag_ms=(0, 0), clock=clock), clock), clock)
    job = limited(bench, most=1)
    worker = bench.worker()
    given = bench.take(worker)
    assert bench.claim(worker) == []
    bench.report(given)
    bench.take(worker)
    gate = bench.farm.gates.get(job.id)
    assert gate is not None and (gate.over, len(gate.tickets)) == (0, 1)


def deaf(clock: SimulatedClock) -> Bench:
    """Each single write is sent again, as its answer got lost, and meets its own effect."""
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), faults=Faults(repeated=1), clock=clock)
    return Bench(make_farm(table, clock), clock)


def test_a_claim_that_meets_itself_takes_no_second_task_with_its_ticket(clock: SimulatedClock) -> None:
    bench = deaf(clock)
    job = limited(bench, {"count": 10, "alike": False}, most=1)
    given = bench.take(bench.worker())
    assert [task.id for task in bench.tasks(job) if task.status is TaskStatus.ACTIVE] == [given.task.id]
    gate = bench.farm.gates.get(job.id)
    assert gate is not None and list(gate.tickets) == [given.lease.ticket]


def told(bench: Bench, given: Assignment) -> None:
    """As our own worker's calls tell it."""
    said = completing.Completion(given.task.id, given.lease.generation, leases.Report(Outcome.COMPLETED))
    assert completing.complete(bench.farm, given.lease.worker, [said]) == {given.task.id}


@pytest.mark.parametrize("end", [told, Bench.report, Bench.fail])
def test_an_end_that_meets_itself_lets_another_in(clock: SimulatedClock, end: Callable[..., object]) -> None:
    bench = deaf(clock)
    limited(bench, {"count": 3, "alike": False}, most=1)
    worker, other = bench.worker("a"), bench.worker("b")
    end(bench, bench.take(worker))
    assert len(bench.claim(other, slots=5)) == 1


def test_a_request_that_comes_twice_at_the_same_moment_is_let_in_once(bench: Bench) -> None:
    job = limited(bench, most=1)
    worker = bench.worker()
    taken = [claiming.claim(bench.farm, worker, "the same").assignments for _ in range(2)]
    assert sorted(map(len, taken)) == [0, 1]
    gate = bench.farm.gates.get(job.id)
    assert gate is not None and len(gate.tickets) == 1


def test_a_lifted_limit_is_not_counted_and_can_be_set_again(bench: Bench) -> None:
    job = limited(bench, {"count": 300}, most=1)
    worker = bench.worker()
    first = bench.take(worker)
    jobs.change(bench.farm, job.id, max_workers=None)
    given = bench.claim(worker, slots=100)
    gate = bench.farm.gates.get(job.id)
    assert len(given) == 100 and gate is not None and len(gate.tickets) == 1
    bench.report(given.pop())
    jobs.change(bench.farm, job.id, max_workers=2)
    assert len(bench.claim(worker, slots=9)) == 1  # the first one counts
    for one in [first, *given]:
        bench.report(one)
    assert len(bench.claim(worker, slots=9)) == 1
    gate = bench.farm.gates.get(job.id)
    assert gate is not None and (gate.over, len(gate.tickets)) == (0, 2)


@pytest.mark.parametrize("rung", [{"count": 150}, {"count": 150, "alike": False}])
def test_a_fleet_is_started_for_what_a_limit_lets_in(bench: Bench, rung: dict[str, object]) -> None:
    able = Abilities(frozenset({"sleep"}))
    job = limited(bench, rung, most=2, priority=90)
    assert fleet_watching.queued(bench.farm, able, 100) == 2
    bench.submit({"count": 3})
    assert fleet_watching.queued(bench.farm, able, 100) == 5  # also behind more than would be enough
    worker = bench.worker()
    bench.take(worker)
    assert fleet_watching.queued(bench.farm, able, 100) == 4
    bench.take(worker)
    assert fleet_watching.queued(bench.farm, able, 100) == 3
    jobs.change(bench.farm, job.id, max_workers=None)
    assert fleet_watching.queued(bench.farm, able, 100) >= 100


def test_a_full_job_is_not_asked_again_and_again(clock: SimulatedClock) -> None:
    table = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
    bench = Bench(make_farm(table, clock, limits=Limits()), clock)
    limited(bench, most=1)
    worker = bench.worker()
    bench.take(worker)
    bench.claim(worker)
    table.requests.clear()
    for _ in range(5):
        bench.claim(worker)
    assert table.requests["write"] == table.requests["take"] == 5  # a take is counted as a write, too


def test_a_gate_goes_with_its_job_also_where_somebody_died_in_it(bench: Bench) -> None:
    job = limited(bench, {"count": 2})
    worker = bench.worker()
    assert bench.farm.gates.enter(job.id, 77, worker.id, bench.clock.now())  # and its process died
    bench.work_off(worker)
    assert bench.job(job).settled
    for _ in range(2):
        bench.clock.advance(gates.FORGOTTEN_MS)
        sweeping.sweep(bench.farm)
    assert bench.farm.gates.get(job.id) is None
    assert job.id not in bench.farm.registry.refresh().gated


class Meddled:
    """Does something else before call number `at` to its table."""

    def __init__(self, table: Table, at: int, meddle: Callable[[], None]) -> None:
        self._table, self._left, self._meddle = table, at, meddle
        self.exact = table.exact

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._table, name)

        def meddled(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == -1:
                self._meddle()
            return call(*args, **kwargs)

        return meddled


@pytest.mark.parametrize("at", range(4))
def test_who_keeps_a_gate_while_it_goes_leaves_none_that_nobody_finds(bench: Bench, at: int) -> None:
    running = bench.job(limited(bench, {"count": 1}))
    bench.work_off(bench.worker())
    table = Meddled(bench.farm.table, at, lambda: gates.forget(bench.farm))
    gates.keep(make_farm(table, bench.clock), running)  # type: ignore[arg-type]
    bench.farm.registry.forget()
    gates.forget(bench.farm)
    assert bench.farm.gates.get(running.id) is None
    assert running.id not in bench.farm.registry.refresh().gated
