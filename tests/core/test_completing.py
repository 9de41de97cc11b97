"""Completions reported together: the same farm as when they come one by one, for fewer requests."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.core import completing
from chalicelib.core.completing import Completion
from chalicelib.core.leases import Report
from chalicelib.core.lifecycle import JobStatus, Outcome, TaskStatus
from chalicelib.core.model import Assignment, Worker
from chalicelib.core.ports import Item, Operation, T
from chalicelib.core.records.keys import INDEXES
from chalicelib.embedded.bell import LocalBell
from chalicelib.store.counting import CountingTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable


def together(bench: Bench, worker: Worker, given: list[Assignment], outcome: Outcome = Outcome.COMPLETED) -> set[int]:
    said = [Completion(one.task.id, one.lease.generation, Report(outcome, 0, result={"n": 1})) for one in given]
    return set(completing.complete(bench.farm, worker.id, said))


def test_all_of_them_are_completed_and_so_is_their_job(bench: Bench) -> None:
    worker, job = bench.worker(), bench.submit({"count": 150})
    given = [one for _ in range(15) for one in bench.claim(worker, slots=10)]
    assert together(bench, worker, given) == {one.task.id for one in given}
    assert bench.job(job).status is JobStatus.COMPLETED
    assert bench.counts(job) == {"completed": 150}
    [attempt] = bench.tasks(job)[0].attempts
    assert (attempt.outcome, attempt.worker, attempt.exit_code) == (Outcome.COMPLETED, worker.id, 0)
    assert bench.tasks(job)[0].result == {"n": 1}


def test_what_waited_for_them_is_queued(bench: Bench) -> None:
    worker, job = bench.worker(), bench.submit({"count": 3, "parents": {2: [0, 1]}})
    together(bench, worker, bench.claim(worker, slots=2))
    assert bench.counts(job) == {"completed": 2, "queued": 1}


def test_who_is_late_changes_nothing_and_does_not_hold_up_the_others(bench: Bench) -> None:
    first, second, job = bench.worker("a"), bench.worker("b"), bench.submit({"count": 3})
    late, held, ended = bench.claim(first, slots=3)
    bench.report(late, Outcome.RELEASED)
    [again] = bench.claim(second)
    assert again.task.id == late.task.id
    bench.report(ended)
    assert together(bench, first, [late, held, ended]) == {held.task.id}
    statuses = {task.id: task.status for task in bench.tasks(job)}
    assert statuses == {
        late.task.id: TaskStatus.ACTIVE,
        held.task.id: TaskStatus.COMPLETED,
        ended.task.id: TaskStatus.COMPLETED,
    }


def test_only_completions_are_done_together(bench: Bench) -> None:
    worker, job = bench.worker(), bench.submit({"count": 2})
    assert together(bench, worker, bench.claim(worker, slots=2), Outcome.FAILED) == set()
    assert {task.status for task in bench.tasks(job)} == {TaskStatus.ACTIVE}


class WatchedTable(SimulatedTable):
    """Counts what is written in the one commit of `at_once`."""

    inside = False
    written_at_once = 0

    def at_once(self, work: Callable[[], T]) -> T:
        self.inside = True
        try:
            return super().at_once(work)
        finally:
            self.inside = False

    def _send(self, operations: list[Operation]) -> list[Item | None]:
        self.written_at_once += len(operations) if self.inside else 0
        return super()._send(operations)


class WatchedBell(LocalBell):
    rung_at_once = False

    def __init__(self, table: WatchedTable) -> None:
        super().__init__()
        self._table = table

    def ring(self, topic: str, *, times: int | None = 1) -> None:
        self.rung_at_once |= self._table.inside
        super().ring(topic, times=times)


def test_nobody_waits_for_what_follows_on_them(clock: SimulatedClock) -> None:
    """Their own commit is a few writes, however many tasks of a later step they release, and rings no bells."""
    table = WatchedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    bench = Bench(make_farm(table, clock), clock)
    bell = WatchedBell(table)
    object.__setattr__(bench.farm, "bell", bell)
    worker, job = bench.worker(), bench.submit({"count": 1}, {"count": 500, "trails": 0}, max_workers=1)
    given = bench.claim(worker)
    table.written_at_once, bell.rung_at_once = 0, False
    together(bench, worker, given)
    assert bench.counts(job) == {"completed": 1, "queued": 500}
    assert 0 < table.written_at_once < 10 and not bell.rung_at_once
    assert len(bench.claim(worker, slots=2)) == 1  # the gate was left


def test_ten_cost_one_read_their_writes_and_one_mark(clock: SimulatedClock) -> None:
    counted = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
    bench = Bench(make_farm(counted, clock), clock)
    worker, _ = bench.worker(), bench.submit({"count": 1_000})
    together(bench, worker, bench.claim(worker, slots=10))  # statistics are written now, and not again for a while
    given = bench.claim(worker, slots=10)
    counted.requests.clear()
    together(bench, worker, given)
    assert counted.requests == {"get_many": 1, "write_many": 1, "update": 1}
