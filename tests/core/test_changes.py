"""What changed is told to whoever follows: everything, whatever the index does, and at a few requests a look."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import blocklists, changes, events, jobs, leases, sweeping, workers
from chalicelib.core.errors import BadInput, Conflict
from chalicelib.core.model import Worker
from chalicelib.core.ports import Table
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable
from tests.store.engines import dynamo_table_with, moto_client

SECOND = 1000


class Follower:
    """A page: what it has read, brought up to date by what it is told."""

    def __init__(self, bench: Bench) -> None:
        self.farm = bench.farm
        self.looks = 0
        self.start()

    def start(self) -> None:
        self.cursor = changes.begin(self.farm)
        self.shown: dict[int, Any] = {}
        for job in self.farm.jobs.page(None, 1000, None)[0]:
            self.shown[job.id] = job
        for worker in self.farm.workers.page(1000, None)[0]:
            self.shown[worker.id] = self._seen(worker)

    def look(self) -> changes.Changes:
        """One answer, through the text of the cursor, as over HTTP."""
        self.looks += 1
        told = changes.since(self.farm, changes.cursor_from(str(self.cursor)))
        self.cursor = told.next
        if told.restart:
            self.start()
        self.shown |= {job.id: job for job in told.jobs} | {w.id: self._seen(w) for w in told.workers}
        for number in told.gone:
            self.shown.pop(number, None)
        return told

    def catch_up(self) -> None:
        while self.look().poll_seconds == 0:
            assert self.looks < 1000

    def _seen(self, worker: Worker) -> Any:
        return worker.name, workers.liveness(self.farm, worker), worker.status_requested, worker.tags


@pytest.fixture(params=["sqlite", "simulated", "dynamo"])
def counted(request: pytest.FixtureRequest, tmp_path: Path, clock: SimulatedClock) -> Iterator[Bench]:
    """On every engine; `bench.farm.table.requests` has what it was asked."""
    if request.param == "dynamo":
        with moto_client() as client:
            yield Bench(make_farm(CountingTable(dynamo_table_with(client, INDEXES)), clock), clock)
        return
    plain: Table
    if request.param == "sqlite":
        plain = SqliteTable(tmp_path / "farm.db", INDEXES)
    else:
        plain = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    yield Bench(make_farm(CountingTable(plain), clock), clock)
    if isinstance(plain, SqliteTable):
        plain.close()


def cost(bench: Bench, follower: Follower) -> dict[str, int]:
    table = bench.farm.table
    assert isinstance(table, CountingTable)
    table.requests.clear()
    follower.look()
    return dict(table.requests)


def test_a_look_costs_the_same_with_few_and_with_many(counted: Bench) -> None:
    follower = Follower(counted)
    counted.submit()
    assert cost(counted, follower) == {"query": 4, "get_many": 1}
    for _ in range(60):
        counted.submit()
        counted.worker()
    assert cost(counted, follower) == {"query": 4, "get_many": 1}
    follower.catch_up()
    assert cost(counted, follower) == {"query": 4}


def test_jobs_and_workers_are_told_when_they_change_and_when_they_go(counted: Bench) -> None:
    follower = Follower(counted)
    job, worker = counted.submit(), counted.worker("first")
    counted.clock.advance(SECOND)
    told = follower.look()
    assert [j.id for j in told.jobs] == [job.id] and [w.name for w in told.workers] == ["first"]
    assert follower.look().jobs == []
    jobs.change(counted.farm, job.id, name="renamed", priority=70)
    workers.request_status(counted.farm, worker.id, "asleep", lazy=False)
    told = follower.look()
    assert [(j.name, j.priority) for j in told.jobs] == [("renamed", 70)]
    assert [w.status_requested for w in told.workers] == ["asleep"]
    blocklists.replace(counted.farm, worker.id, {(job.id, "sleep")})
    assert [w.id for w in follower.look().workers] == [worker.id]
    jobs.cancel(counted.farm, job.id)
    jobs.delete(counted.farm, job.id)
    counted.farm.workers.remove(worker.id)
    told = follower.look()
    assert sorted(told.gone) == sorted([job.id, worker.id]) and not told.jobs and not told.workers
    assert follower.shown == {}
    counted.clock.advance(20 * SECOND)
    assert follower.look().gone == []


def test_counts_that_were_rolled_up_are_told(bench: Bench) -> None:
    worker, job = bench.worker(), bench.submit({"count": 3})
    follower = Follower(bench)
    follower.catch_up()
    given = bench.take(worker)
    bench.report(given)
    events.tasks_changed(bench.farm, [given.task.id])
    [told] = follower.look().jobs
    assert told.id == job.id and told.counts["completed"] == 1


def test_contacts_and_renewals_are_no_news_and_no_further_write(bench: Bench) -> None:
    worker, _ = bench.worker(), bench.submit({"count": 2})
    given = bench.take(worker)
    follower = Follower(bench)
    follower.catch_up()
    before, _ = bench.farm.changes.entries("", 100)
    for _ in range(5):
        bench.clock.advance(25 * SECOND)
        known = workers.get(bench.farm, worker.id)
        workers.contact(bench.farm, known, wants_work=False)
        leases.renew(bench.farm, worker.id, given.task.id, given.lease.generation, 50, "halfway")
    assert bench.farm.changes.entries("", 100)[0] == before
    assert not follower.look().workers


def test_a_worker_that_falls_silent_is_news_and_so_is_its_return(bench: Bench) -> None:
    worker = bench.worker()
    follower = Follower(bench)
    bench.clock.advance(100 * SECOND)
    sweeping.sweep(bench.farm, ends_leases=False)
    follower.catch_up()
    assert follower.look().workers == []  # after an outage of the farm itself nobody is blamed
    sweeping.sweep(bench.farm)
    assert [workers.liveness(bench.farm, w) for w in follower.look().workers] == ["lost"]
    sweeping.sweep(bench.farm)
    assert follower.look().workers == []
    workers.contact(bench.farm, workers.get(bench.farm, worker.id), wants_work=False)
    assert [(workers.liveness(bench.farm, w), w.lost_at) for w in follower.look().workers] == [("starting", None)]


def test_more_than_fits_into_one_answer_comes_in_several(bench: Bench) -> None:
    follower = Follower(bench)
    for n in range(changes.MOST + 30):
        bench.worker(f"w{n}")
        bench.clock.advance(10)
    first = follower.look()
    assert len(first.workers) <= changes.MOST and first.poll_seconds == 0
    follower.catch_up()
    assert len(follower.shown) == changes.MOST + 30
    assert follower.look().workers == []


def test_a_cursor_stays_short_and_a_pass_ends_however_much_happens(bench: Bench) -> None:
    many = [bench.worker(f"w{n}") for n in range(3 * changes.MOST)]
    follower = Follower(bench)
    for round_of_changes in range(4):
        for worker in many:
            workers.set_sleep_schedule(bench.farm, worker.id, None)
            bench.clock.advance(5)
        follower.looks = 0
        follower.catch_up()
        assert follower.looks <= 8, round_of_changes
        assert len(str(follower.cursor)) < 2100


def test_who_asks_less_often_while_nothing_happens(bench: Bench) -> None:
    follower = Follower(bench)
    bench.submit()
    assert follower.look().poll_seconds == 2.0
    for _ in range(10):
        bench.clock.advance(5 * SECOND)
        told = follower.look()
    assert told.poll_seconds == 5.0
    quiet = {str(follower.look().next) for _ in range(3)}
    assert len(quiet) == 1  # tabs that ask at the same time ask with the same words


@pytest.mark.parametrize("days", [1, 30, -1])
def test_a_cursor_of_another_time_is_told_to_start_anew(bench: Bench, days: int) -> None:
    follower = Follower(bench)
    job = bench.submit()
    follower.catch_up()
    if days < 0:
        follower.cursor = changes.Cursor(bench.clock.now() + SECOND, None, ())
    jobs.cancel(bench.farm, job.id)
    jobs.delete(bench.farm, job.id)
    bench.clock.advance(max(0, days) * 86_400 * SECOND)
    assert follower.look().restart
    assert follower.shown == {}


def test_what_was_deleted_is_forgotten_after_a_day(bench: Bench) -> None:
    worker = bench.worker()
    bench.farm.workers.remove(worker.id)
    sweeping.sweep(bench.farm)
    assert len(bench.farm.changes.entries("", 10)[0]) == 1
    bench.clock.advance(86_500 * SECOND)
    sweeping.sweep(bench.farm)
    assert bench.farm.changes.entries("", 10) == ([], False)


@pytest.mark.parametrize("text", ["", "x", "1", "1..x", "1.5.", "1..abcdefg", "-1..", "9" * 16 + "..", "1..é1234567"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        changes.cursor_from(text)
    assert refused.value.field == "since"


DEEDS = ["submit", "rename", "cancel", "delete", "worker", "ask", "remove", "wait", "wait", "look", "look", "look"]


@given(seed=st.integers(0, 100_000), lag=st.sampled_from([0, 500, 12_000]), most=st.integers(1, 5))
def test_nothing_is_missed_however_the_index_lags(seed: int, lag: int, most: int) -> None:
    """Up to 12 s; the overlap allows for 15. Answers of a few items, so that passes take several."""
    clock, chance = SimulatedClock(), random.Random(seed)
    bench = Bench(make_farm(SimulatedTable(INDEXES, seed=seed, lag_ms=(0, lag), clock=clock), clock), clock)
    follower = Follower(bench)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(changes, "MOST", most)
        patched.setattr(changes, "MOST_SEEN", 7)
        for _ in range(40):
            do(bench, follower, chance.choice(DEEDS), chance.randrange(10))
        clock.advance(20 * SECOND)
        follower.catch_up()  # the pass that was under way
        follower.catch_up()
    assert follower.shown == Follower(bench).shown


def do(bench: Bench, follower: Follower, deed: str, n: int) -> None:
    farm = bench.farm
    known = sorted(follower.shown)
    chosen = known[n % len(known)] if known else 0
    job, worker = farm.jobs.get(chosen), farm.workers.get(chosen)
    if deed == "submit":
        bench.submit()
    elif deed == "worker":
        bench.worker(f"w{n}")
    elif deed == "wait":
        bench.clock.advance(n * SECOND)
    elif deed == "look":
        follower.look()
    elif job is not None and deed in ("rename", "cancel", "delete"):
        decide = {
            "rename": lambda: jobs.change(farm, chosen, name=f"n{n}"),
            "cancel": lambda: jobs.cancel(farm, chosen),
        }
        with contextlib.suppress(Conflict):
            decide.get(deed, lambda: jobs.delete(farm, chosen))()
    elif worker is not None and deed == "ask":
        workers.request_status(farm, chosen, "asleep", lazy=bool(n % 2))
    elif worker is not None and deed == "remove":
        farm.workers.remove(chosen)
