"""The farm over time: what is noted, how it becomes hours, and what that costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.core import events, leases, statistics, sweeping, workers
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Attempt, Worker
from chalicelib.core.ports import Operation, Update
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.records.statistics import MINUTE, Point
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock


def series(bench: Bench, minutes: int = 60) -> list[Point]:
    return statistics.series(bench.farm, minutes)[1]


def awake(bench: Bench, name: str) -> Worker:
    worker = bench.worker(name)
    return workers.contact(bench.farm, worker, wants_work=True)


def fail(bench: Bench, given: Assignment, exit_code: int | None, error: str) -> None:
    said = leases.Report(Outcome.FAILED, exit_code, error)
    leases.report(bench.farm, given.lease.worker, given.task.id, given.lease.generation, said)


def test_a_minute_says_what_was_queued_who_worked_and_what_ended(bench: Bench) -> None:
    first, second = awake(bench, "first"), awake(bench, "second")
    job = bench.submit({"count": 6})
    done, broken, lost_path, running = (bench.take(worker) for worker in (first, second, second, first))
    bench.report(done)
    fail(bench, broken, 139, "killed by a signal")
    fail(bench, lost_path, None, "no such file: /shot/0012.exr\nand more")
    events.tasks_changed(bench.farm, [done.task.id, broken.task.id, lost_path.task.id, running.task.id])
    bench.clock.advance(5000)
    sweeping.sweep(bench.farm)
    [point] = series(bench)
    assert point.at == bench.clock.now() - bench.clock.now() % MINUTE
    assert point.tasks == bench.counts(job) == {"queued": 4, "active": 1, "completed": 1}
    assert point.jobs == {"active": 1}
    assert point.workers == {"awake": 2, "busy": 1}
    assert point.oldest_queued_seconds == 5
    assert point.ended == {"completed": 1, "failed": 2}
    assert point.failures_by_worker == {str(second.id): 2}
    assert point.failures_by_reason == {"exit code 139": 1, "no such file: /shot/#.exr": 1}


def test_a_report_that_comes_again_is_counted_once(bench: Bench) -> None:
    worker = awake(bench, "w")
    bench.submit()
    given = bench.take(worker)
    for _ in range(3):
        bench.report(given)
    sweeping.sweep(bench.farm)
    sweeping.sweep(bench.farm)
    assert [point.ended for point in series(bench)] == [{"completed": 1}]


def test_a_silent_worker_counts_as_lost(bench: Bench) -> None:
    awake(bench, "w")
    bench.clock.advance(200_000)
    sweeping.sweep(bench.farm)
    assert series(bench)[-1].workers == {"lost": 1, "busy": 0}


def test_numbers_reach_the_farm_without_a_sweep_a_few_seconds_late(bench: Bench) -> None:
    worker = awake(bench, "w")
    bench.submit({"count": 3})
    for _ in range(3):
        bench.report(bench.take(worker))
    counted = sum(point.ended.get("completed", 0) for point in series(bench))
    assert counted == 1  # the first is written at once, the others wait
    bench.clock.advance(10_000)
    bench.submit()
    bench.report(bench.take(worker))
    assert sum(point.ended.get("completed", 0) for point in series(bench)) == 4


def test_two_processes_add_to_the_same_minute(bench: Bench) -> None:
    other = Bench(make_farm(bench.farm.table, bench.clock), bench.clock)
    worker = awake(bench, "w")
    bench.submit({"count": 2})
    bench.report(bench.take(worker))
    given = bench.take(worker)
    other.report(given)
    sweeping.sweep(bench.farm)
    sweeping.sweep(other.farm)
    assert [point.ended for point in series(bench)] == [{"completed": 2}]


def test_an_outage_with_many_reasons_and_workers_is_told_in_few_words_and_small_writes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB takes some three hundred fields at once, and no more."""
    fields: list[int] = []
    write = bench.farm.table.write

    def watched(*operations: Operation) -> None:
        fields.extend(len(one.changes) for one in operations if isinstance(one, Update))
        write(*operations)

    monkeypatch.setattr(bench.farm.table, "write", watched)
    now = bench.clock.now()
    assert bench.farm.tally.note(now - now % MINUTE, failed(now, 1, "the first"), now)
    for number in range(400):
        why = "no power" if number % 2 else f"error {chr(0x4E00 + number)}"
        bench.farm.tally.note(now - now % MINUTE, failed(now, 1 + number, why), now)
    sweeping.sweep(bench.farm)
    [point] = series(bench)
    assert max(fields) <= 110
    assert point.ended == {"failed": 401} and sum(point.failures_by_worker.values()) == 401
    assert len(point.failures_by_worker) == 400 and point.failures_by_worker["1"] == 2
    reasons = point.failures_by_reason
    assert (len(reasons), reasons["no power"], sum(reasons.values())) == (51, 200, 401)
    assert reasons["other"] == 401 - 200 - 49


def failed(at: int, worker: int, why: str) -> Attempt:
    return Attempt(1, 1, worker, Outcome.FAILED, None, why, at, at)


def test_numbers_that_the_table_does_not_bear_keep_nobody_from_work(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*given: object) -> bool:
        raise ValueError("Item size has exceeded the maximum allowed size")

    monkeypatch.setattr(bench.farm.statistics, "add", too_much)
    monkeypatch.setattr(bench.farm.statistics, "put_hour", too_much)
    worker = awake(bench, "w")
    job = bench.submit()
    bench.report(bench.take(worker))
    sweeping.sweep(bench.farm)
    bench.clock.advance(2 * 3_600_000)
    sweeping.sweep(bench.farm)
    assert bench.job(job).status == "completed"


def test_minutes_become_hours_and_go_after_a_day(bench: Bench) -> None:
    start = bench.clock.now() - bench.clock.now() % 3_600_000 + 3_600_000
    bench.clock.advance(start - bench.clock.now())
    worker = awake(bench, "w")
    bench.submit({"count": 90})
    for _ in range(90):
        bench.report(bench.take(worker))
        sweeping.sweep(bench.farm)
        bench.clock.advance(MINUTE)
    seconds, hours = statistics.series(bench.farm, 2000)
    assert seconds == 3600
    assert [(hour.at - start, hour.ended) for hour in hours] == [(0, {"completed": 60})]
    assert len(series(bench, 120)) == 90
    bench.clock.advance(26 * 3_600_000)
    sweeping.sweep(bench.farm)
    assert len(bench.farm.statistics.points(MINUTE, 0, bench.clock.now())) == 1
    _, hours = statistics.series(bench.farm, 43_200)
    assert sum(hour.ended.get("completed", 0) for hour in hours) >= 60


def test_what_it_costs(tmp_path: Path, clock: SimulatedClock) -> None:
    """Ends within ten seconds share one write, sweeps within a minute their gauges, and a day is read by one query."""
    engine = SqliteTable(tmp_path / "farm.db", INDEXES)
    table = CountingTable(engine)
    bench = Bench(make_farm(table, clock), clock)
    worker = awake(bench, "w")
    bench.submit({"count": 20})
    given = [bench.take(worker) for _ in range(20)]
    bench.report(given[0])
    table.requests.clear()
    bench.report(given[1])
    without = table.requests.copy()
    clock.advance(10_000)
    table.requests.clear()
    bench.report(given[2])
    assert (table.requests - without).total() <= 1
    sweeping.sweep(bench.farm)
    table.requests.clear()
    sweeping.sweep(bench.farm)
    again = table.requests.total()
    clock.advance(MINUTE)
    table.requests.clear()
    sweeping.sweep(bench.farm)
    assert 0 < table.requests.total() - again < 15
    table.requests.clear()
    statistics.series(bench.farm, 1440)
    assert table.requests == {"query": 1}
    engine.close()
