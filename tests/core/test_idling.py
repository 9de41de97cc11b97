"""How often a worker without work asks: on a farm where calls are paid for, the less often the more of them idle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import settings_from
from chalicelib.core import idling, sweeping, workers
from chalicelib.core.farm import Limits
from chalicelib.core.idling import QUIET_MS
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.records.statistics import MINUTE
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock

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


def hire(bench: Bench, count: int) -> None:
    for number in range(count):
        workers.contact(bench.farm, bench.worker(f"w{number}"), wants_work=True)
    sweeping.sweep(bench.farm)


def test_on_a_quiet_farm_somebody_asks_every_other_second(paid: Bench) -> None:
    hire(paid, 40)
    assert idling.idle_seconds(paid.farm) == 40 * 2


def test_a_few_ask_as_on_a_busy_farm(paid: Bench) -> None:
    hire(paid, 10)
    assert idling.idle_seconds(paid.farm) == 30


def test_nobody_waits_so_long_that_it_seems_lost(paid: Bench) -> None:
    hire(paid, 100)
    assert idling.idle_seconds(paid.farm) == 360 / 3


def test_with_work_all_ask_at_their_own_interval_and_do_so_for_a_while(paid: Bench) -> None:
    hire(paid, 40)
    assert idling.idle_seconds(paid.farm) == 80
    job = paid.submit()
    paid.work_off(paid.worker("w0"))
    assert paid.job(job).status == "completed" and idling.idle_seconds(paid.farm) == 30
    paid.clock.advance(QUIET_MS - 1000)
    sweeping.sweep(paid.farm)
    assert idling.idle_seconds(paid.farm) == 30


def test_workers_that_are_busy_or_gone_do_not_idle(paid: Bench) -> None:
    hire(paid, 40)
    paid.submit({"count": 8})
    for number in range(8):
        paid.take(paid.worker(f"busy{number}"))
    for worker in list(paid.farm.workers.all())[:5]:
        workers.sign_off(paid.farm, worker)
    paid.clock.advance(MINUTE)
    sweeping.sweep(paid.farm)
    assert paid.farm.idle_count.read() == 40 - 5


def test_where_no_sweep_has_run_for_a_while_they_ask_as_usual(paid: Bench) -> None:
    hire(paid, 40)
    paid.clock.advance(10 * MINUTE)
    assert idling.idle_seconds(paid.farm) == 30


def test_it_costs_one_read_a_minute(paid: Bench, table: CountingTable) -> None:
    hire(paid, 40)
    paid.clock.advance(1000)
    paid.farm.registry.read()
    before = table.requests.total()
    for _ in range(20):
        idling.idle_seconds(paid.farm)
    assert table.requests.total() == before + 1
    paid.clock.advance(MINUTE)
    paid.farm.registry.read()
    idling.idle_seconds(paid.farm)
    idling.idle_seconds(paid.farm)
    assert table.requests.total() == before + 3


def test_where_calls_cost_nothing_nobody_waits_longer(bench: Bench) -> None:
    hire(bench, 40)
    assert idling.idle_seconds(bench.farm) == bench.farm.limits.poll_idle_seconds


def test_a_farm_on_aws_has_a_hundred_ask_each_two_minutes() -> None:
    limits = settings_from({"MILLRACE_TABLE": "t", "MILLRACE_BUCKET": "b"}).limits
    assert idling.quiet_seconds(limits, 100) == 120 == limits.lost_after_seconds / 3
    assert idling.quiet_seconds(limits, 20) == limits.poll_idle_seconds == 30
