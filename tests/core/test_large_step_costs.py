"""What a large step costs: nothing grows with the number of its tasks."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import claiming, jobs
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import Faults, SimulatedClock, SimulatedTable
from tests.store.engines import dynamo_table_with, moto_client

MILLION = 1_000_000
WRITES = ("write", "update", "write_many")


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with moto_client() as client:
        yield client


def test_a_million_tasks_are_submitted_in_a_few_writes(clock: SimulatedClock) -> None:
    requests: dict[int, Counter[str]] = {}
    for count in (1_000, 100_000, MILLION):
        table = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
        Bench(make_farm(table, clock), clock).submit({"count": count})
        requests[count] = table.requests
    assert requests[1_000] == requests[100_000] == requests[MILLION]
    assert sum(requests[MILLION][kind] for kind in WRITES) < 20


def test_a_million_tasks_take_no_memory(tmp_path: Path, clock: SimulatedClock) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    bench = Bench(make_farm(table, clock), clock)
    worker = bench.worker()
    bench.submit({"count": 200})
    bench.take(worker)  # everything is imported and warm
    tracemalloc.start()
    job = bench.submit({"count": MILLION}, priority=90)
    bench.take(worker)
    jobs.progress(bench.farm, job)
    jobs.cancel(bench.farm, job.id)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5_000_000
    table.close()


def requests_of_a_claim(bench: Bench, requests: Counter[str]) -> dict[str, int]:
    worker = bench.worker()
    bench.claim(worker, slots=2)  # the plan is made, the window is there
    before = requests.copy()
    bench.take(worker)
    return dict(requests - before)


@pytest.mark.parametrize("count", [1_000, MILLION])
def test_a_claim_on_sqlite_is_one_read_and_two_writes(tmp_path: Path, clock: SimulatedClock, count: int) -> None:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    counted = CountingTable(table)
    bench = Bench(make_farm(counted, clock), clock)
    bench.submit({"count": count})
    assert requests_of_a_claim(bench, counted.requests) == {"take": 1, "query": 1, "write": 1, "write_many": 1}
    table.close()


@pytest.mark.parametrize("count", [1_000, MILLION])
def test_a_claim_on_dynamodb_is_one_read_and_two_writes(moto: Any, clock: SimulatedClock, count: int) -> None:
    table = dynamo_table_with(moto, INDEXES)
    bench = Bench(make_farm(table, clock), clock)
    bench.submit({"count": count})
    assert requests_of_a_claim(bench, table.requests) == {"query": 1, "update_item": 1, "put_item": 1}


def test_ten_tasks_in_one_claim_are_one_update(clock: SimulatedClock) -> None:
    counted = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
    bench = Bench(make_farm(counted, clock), clock)
    bench.submit({"count": MILLION})
    worker = bench.worker()
    bench.take(worker)
    counted.requests.clear()
    assert len(bench.claim(worker, slots=10)) == 10
    assert counted.requests == {"take": 1, "query": 1, "write": 1, "write_many": 1}


def test_two_thousand_tasks_a_second_of_one_step_throttle_nothing(clock: SimulatedClock) -> None:
    """DynamoDB takes a thousand writes a second for one partition; here all claims and all ends fall into one second,
    and the index lags by up to two."""
    table = SimulatedTable(INDEXES, seed=1, clock=clock)
    counted = CountingTable(table)
    bench = Bench(make_farm(counted, clock), clock)
    bench.submit({"count": MILLION})
    crew = [bench.worker(f"w{number}") for number in range(40)]
    clock.advance(2_000)
    table.faults = Faults(partition_writes_per_second=1000)
    counted.requests.clear()
    claims = [claiming.claim(bench.farm, crew[n % 40], f"c{n}") for n in range(2_000)]
    requests = counted.requests.copy()
    assert len({a.task.id for claimed in claims for a in claimed.assignments}) == 2_000
    for claimed in claims:
        for assignment in claimed.assignments:
            bench.report(assignment)
    for kind in ("CURSOR#", "WINDOWS#"):
        assert max(count for (pk, _), count in table._writes.items() if pk.startswith(kind)) < 250
    del requests["take"]  # it is counted as the query and the write that it is
    assert requests.total() < 3.2 * 2_000
