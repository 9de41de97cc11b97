"""How often a worker without work asks: on a farm where calls are paid for, the less often the more of them idle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.config import settings_from
from chalicelib.core import idling, sweeping, workers
from chalicelib.core.farm import Limits
from chalicelib.core.idling import QUIET_MS
from chalicelib.core.lifecycle import WorkerStatus
from chalicelib.core.model import Requirement, Worker
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.records.statistics import MINUTE
from chalicelib.core.scheduling import fits
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable

PAID = Limits(poll_idle_seconds=30, poll_apart_seconds=2, lost_after_seconds=360, contact_every_seconds=120)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[CountingTable]:
    real = SqliteTable(tmp_path / "farm.db", INDEXES)
    yield CountingTable(real)
    real.close()


@pytest.fixture
def paid(table: CountingTable) -> Bench:
    clock = SimulatedClock()
    return Bench(make_farm(table, clock, limits=PAID), clock)


def hire(bench: Bench, count: int, *types: str, tags: tuple[str, ...] = ()) -> list[Worker]:
    hired = [bench.worker(f"w{number}", *types, tags=tags) for number in range(count)]
    for worker in hired:
        workers.contact(bench.farm, worker, wants_work=True)
    sweep(bench)
    return hired


def sweep(bench: Bench) -> None:
    """A minute later, so that it counts anew, and every process asks anew."""
    bench.clock.advance(MINUTE)
    sweeping.sweep(bench.farm)


def told(bench: Bench, worker: Worker) -> float:
    return idling.idle_seconds(bench.farm, workers.get(bench.farm, worker.id))


def test_on_a_quiet_farm_somebody_asks_every_other_second(paid: Bench) -> None:
    worker, *_ = hire(paid, 40)
    assert told(paid, worker) == 40 * 2


def test_a_few_ask_as_on_a_busy_farm(paid: Bench) -> None:
    worker, *_ = hire(paid, 10)
    assert told(paid, worker) == 30


def test_nobody_waits_so_long_that_it_seems_lost(paid: Bench) -> None:
    worker, *_ = hire(paid, 100)
    assert told(paid, worker) == 360 / 3


def test_the_few_that_can_what_others_cannot_ask_as_if_only_they_idled(paid: Bench) -> None:
    many = hire(paid, 100)
    gpu = hire(paid, 5, tags=("gpu",))
    denoising = hire(paid, 20, "sleep", "denoise")
    assert {told(paid, worker) for worker in many} == {120}
    assert {told(paid, worker) for worker in gpu} == {30}
    assert {told(paid, worker) for worker in denoising} == {20 * 2}


def test_a_job_for_a_rare_tag_is_found_soon_by_one_of_the_few_that_have_it(paid: Bench) -> None:
    hire(paid, 100)
    gpu = hire(paid, 5, tags=("gpu",))
    next_call = {worker.id: told(paid, worker) for worker in gpu}
    paid.submit(tags=("gpu",))
    soonest = min(gpu, key=lambda worker: next_call[worker.id])
    assert next_call[soonest.id] == PAID.poll_idle_seconds and paid.take(soonest)


FLEETS = st.lists(
    st.tuples(
        st.integers(1, 60),
        st.frozensets(st.sampled_from(("sleep", "render", "exec")), min_size=1),
        st.frozensets(st.sampled_from(("gpu", "windows"))),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)
CLASSES = [
    Requirement(kind, frozenset(require), frozenset(forbid))
    for kind in ("sleep", "render", "exec")
    for require in ((), ("gpu",), ("windows",), ("gpu", "windows"))
    for forbid in ((), ("gpu",), ("windows",), ("gpu", "windows"))
    if not set(require) & set(forbid)
]


@given(FLEETS)
@settings(max_examples=60, deadline=None)
def test_whatever_a_task_asks_for_who_can_take_it_asks_as_if_only_such_idled(
    fleet: list[tuple[int, frozenset[str], frozenset[str], bool]],
) -> None:
    clock = SimulatedClock()
    farm = make_farm(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock), clock, limits=PAID)
    bench = Bench(farm, clock)
    idle: list[Worker] = []
    for number, types, tags, sleeps in fleet:
        one = workers.contact(farm, bench.worker("w", *sorted(types), tags=tuple(sorted(tags))), wants_work=True)
        status = WorkerStatus.ASLEEP if sleeps else one.status
        idle += [replace(one, id=one.id + 2**40 + n, status=status) for n in range(number)]
    idling.note(farm, idle, busy=())
    for requirement in CLASSES:
        able = [one for one in idle if fits(requirement, one) and one.status is WorkerStatus.AWAKE]
        longest = max((idling.idle_seconds(farm, one) for one in able), default=0.0)
        assert longest <= idling.quiet_seconds(PAID, len(able))


def test_workers_that_sleep_find_nothing_and_count_by_themselves(paid: Bench) -> None:
    awake, *others = hire(paid, 60)
    for sleeper in others[:50]:
        workers.request_status(paid.farm, sleeper.id, "asleep", lazy=False)
    sweep(paid)
    assert told(paid, awake) == 30
    assert told(paid, others[0]) == 50 * 2


def test_who_had_work_of_its_own_lately_asks_as_on_a_busy_farm(paid: Bench) -> None:
    worker, other, *_ = hire(paid, 100)
    requirement = Requirement("sleep", worker=worker.id)
    paid.farm.registry.will_queue(requirement, 50)
    paid.clock.advance(QUIET_MS)
    for one in paid.farm.workers.all():
        workers.contact(paid.farm, one, wants_work=True)
    sweep(paid)
    assert (told(paid, worker), told(paid, other)) == (30, 120)


def test_a_worker_that_has_just_come_asks_as_on_a_busy_farm_until_it_is_counted(paid: Bench) -> None:
    hire(paid, 100)
    new = paid.worker("new", "sleep", "render")
    assert told(paid, new) == 30


def test_with_work_all_ask_at_their_own_interval_and_do_so_for_a_while(paid: Bench) -> None:
    worker, *_ = hire(paid, 40)
    assert told(paid, worker) == 80
    job = paid.submit()
    paid.work_off(worker)
    assert paid.job(job).status == "completed" and told(paid, worker) == 30
    paid.clock.advance(QUIET_MS - 2 * MINUTE)
    sweep(paid)
    assert told(paid, worker) == 30


def test_workers_that_are_busy_or_gone_do_not_idle(paid: Bench) -> None:
    worker, *others = hire(paid, 40)
    paid.submit({"count": 8})
    for busy in others[:8]:
        paid.take(busy)
    for gone in others[8:13]:
        workers.sign_off(paid.farm, gone)
    sweep(paid)
    assert paid.farm.idle_count.of(idling.kind_of(workers.get(paid.farm, worker.id))) == 40 - 8 - 5


def test_where_no_sweep_has_run_for_a_while_they_ask_as_usual(paid: Bench) -> None:
    worker, *_ = hire(paid, 40)
    paid.clock.advance(10 * MINUTE)
    assert told(paid, worker) == 30


def test_it_costs_one_read_a_minute(paid: Bench, table: CountingTable) -> None:
    worker, *_ = hire(paid, 40)
    paid.clock.advance(1000)
    paid.farm.registry.read()
    before = table.requests.total()
    for _ in range(20):
        idling.idle_seconds(paid.farm, worker)
    assert table.requests.total() == before + 1
    paid.clock.advance(MINUTE)
    paid.farm.registry.read()
    idling.idle_seconds(paid.farm, worker)
    idling.idle_seconds(paid.farm, worker)
    assert table.requests.total() == before + 3


def test_what_is_noted_grows_with_what_workers_can_not_with_their_number(paid: Bench) -> None:
    hire(paid, 400)
    hire(paid, 3, tags=("gpu",))
    item = paid.farm.table.get(keys.idle())
    assert item is not None and list(item["counts"].values()) == [400]


def test_where_calls_cost_nothing_nobody_waits_longer_and_nothing_is_noted(bench: Bench) -> None:
    worker, *_ = hire(bench, 40)
    assert told(bench, worker) == bench.farm.limits.poll_idle_seconds
    assert bench.farm.table.get(keys.idle()) is None


def test_a_farm_on_aws_has_a_hundred_ask_each_two_minutes() -> None:
    limits = settings_from({"MILLRACE_TABLE": "t", "MILLRACE_BUCKET": "b"}).limits
    assert idling.quiet_seconds(limits, 100) == 120 == limits.lost_after_seconds / 3
    assert idling.quiet_seconds(limits, 20) == limits.poll_idle_seconds == 30
