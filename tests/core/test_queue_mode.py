"""A balanced queue: jobs of equal priority share the workers; higher priorities still go first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import queue_mode, sweeping
from chalicelib.core.model import Assignment, Job, Worker
from chalicelib.core.ports import Put
from chalicelib.core.queue_mode import QueueMode
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable

MILLION = 1_000_000


@pytest.fixture
def balanced(bench: Bench) -> Bench:
    queue_mode.write(bench.farm, QueueMode.BALANCED)
    return bench


class Floor:
    """Workers that are never idle while there is work; a job's tasks take as many rounds as it says."""

    def __init__(self, bench: Bench, count: int) -> None:
        self.bench = bench
        self.crew = [bench.worker(f"w{number}") for number in range(count)]
        self.running: dict[int, tuple[Assignment, int]] = {}

    def round(self, rounds_of: dict[int, int]) -> Counter[int]:
        """Each worker that has nothing to do asks once; how many run of each job then."""
        for worker in self.crew:
            if worker.id in self.running:
                assignment, left = self.running[worker.id]
                if left > 1:
                    self.running[worker.id] = assignment, left - 1
                    continue
                self.bench.report(assignment)
                del self.running[worker.id]
            self.ask(worker, rounds_of)
        self.bench.clock.advance(1_000)
        return Counter(assignment.task.job for assignment, _ in self.running.values())

    def ask(self, worker: Worker, rounds_of: dict[int, int]) -> None:
        for assignment in self.bench.claim(worker):
            self.running[worker.id] = assignment, rounds_of[assignment.task.job]


@pytest.mark.parametrize("counts", [(90, 90, 90), (MILLION, 5_000, 90)])
def test_three_jobs_share_thirty_workers_evenly(balanced: Bench, counts: tuple[int, int, int]) -> None:
    """Although the tasks of one take three times as long."""
    jobs = [balanced.submit({"count": count}) for count in counts]
    floor = Floor(balanced, 30)
    rounds = {jobs[0].id: 3, jobs[1].id: 1, jobs[2].id: 2}
    shares = [floor.round(rounds) for _ in range(5)]
    for share in shares:
        assert all(8 <= share[job.id] <= 12 for job in jobs), shares


def test_first_in_the_oldest_job_has_all(bench: Bench) -> None:
    jobs = [bench.submit({"count": 90}) for _ in range(3)]
    share = Floor(bench, 30).round({job.id: 1 for job in jobs})
    assert share == {jobs[0].id: 30}


def test_a_new_job_begins_within_one_round_behind_a_million_frames(balanced: Bench) -> None:
    million = balanced.submit({"count": MILLION})
    floor = Floor(balanced, 10)
    rounds = {million.id: 1}
    floor.round(rounds)
    new = balanced.submit({"count": 50})
    rounds[new.id] = 1
    assert floor.round(rounds)[new.id] >= 4


def test_higher_priorities_still_go_first(balanced: Bench) -> None:
    low = [balanced.submit({"count": 90}) for _ in range(2)]
    high = balanced.submit({"count": 20}, priority=90)
    share = Floor(balanced, 30).round({job.id: 1 for job in [*low, high]})
    assert share == {high.id: 20, low[0].id: 5, low[1].id: 5}


def test_more_jobs_than_a_claim_looks_at_have_their_turn(balanced: Bench) -> None:
    jobs = [balanced.submit({"count": 5}) for _ in range(60)]
    balanced.clock.advance(2_000)
    share = Floor(balanced, 60).round({job.id: 9 for job in jobs})
    assert len(share) >= 55 and max(share.values()) <= 2


def test_everything_is_worked_off(balanced: Bench) -> None:
    jobs = [
        balanced.submit({"count": 7}),
        balanced.submit({"count": 250}),
        balanced.submit({"count": 3, "alike": False}),
    ]
    balanced.work_off(balanced.worker())
    assert {balanced.job(job).status for job in jobs} == {"completed"}


def test_what_runs_again_is_done_too(balanced: Bench) -> None:
    job = balanced.submit({"count": 5}, max_retries=2)
    one, other = balanced.worker("a"), balanced.worker("b")
    balanced.fail(balanced.take(one))
    balanced.work_off(other)
    assert balanced.job(job).status == "completed"


def test_a_count_that_a_crash_left_wrong_is_set_right(balanced: Bench) -> None:
    job = balanced.submit({"count": 50})
    balanced.take(balanced.worker())
    step = balanced.farm.jobs.steps(job.id)[0]
    for _ in range(7):
        balanced.farm.cursors.came_back(job.id, 0, 0)
    assert balanced.farm.cursors.of(step)[0].running == -6
    balanced.clock.advance(100_000)
    running = balanced.farm.jobs.get(job.id)
    assert running is not None
    sweeping.sweep(balanced.farm)
    assert balanced.farm.cursors.of(step)[0].running == running.counts.get("active", 0)


def test_a_sweep_reads_nothing_of_jobs_that_are_not_counted(clock: SimulatedClock) -> None:
    table = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
    bench = Bench(make_farm(table, clock), clock)

    def reads_of(job: Job) -> int:
        before = queue_mode.may_count_before(bench.farm)
        table.requests.clear()
        queue_mode.mend(bench.farm, job, before)
        return table.requests.total()

    first = bench.submit({"count": 300})
    assert reads_of(first) == 0
    queue_mode.write(bench.farm, QueueMode.BALANCED)
    second = bench.submit({"count": 300})
    assert reads_of(first) > 0 and reads_of(second) > 0
    queue_mode.write(bench.farm, QueueMode.FIRST_IN)
    clock.advance(queue_mode.LEFT_ALONE_MS)
    third = bench.submit({"count": 300})
    assert reads_of(second) > 0 and reads_of(third) == 0
    key = keys.queue_mode()  # as an earlier version wrote it
    table.write(Put({"pk": key.pk, "sk": key.sk, "mode": "first-in"}))
    assert reads_of(second) > 0


def requests_of(bench: Bench, requests: Counter[str], jobs: int) -> tuple[dict[str, int], dict[str, int]]:
    for _ in range(jobs):
        bench.submit({"count": 300})
    worker = bench.worker()
    for _ in range(jobs + 1):
        bench.claim(worker)  # plans are made, windows are there
    before = requests.copy()
    given = bench.take(worker)
    claimed = dict(requests - before)
    before = requests.copy()
    bench.report(given)
    return claimed, dict(requests - before)


@pytest.mark.parametrize("jobs", [1, 30])
def test_a_claim_costs_the_same_in_both_modes(tmp_path: Path, clock: SimulatedClock, jobs: int) -> None:
    found: dict[QueueMode, Any] = {}
    for mode in QueueMode:
        table = SqliteTable(tmp_path / f"{mode.value}.db", INDEXES)
        counted = CountingTable(table)
        bench = Bench(make_farm(counted, clock), clock)
        queue_mode.write(bench.farm, mode)
        found[mode] = requests_of(bench, counted.requests, jobs)
        table.close()
    claim, end = found[QueueMode.FIRST_IN]
    assert claim == {"take": 1, "query": 1, "write": 1, "write_many": 1}
    balanced_claim, balanced_end = found[QueueMode.BALANCED]
    assert balanced_claim == claim
    assert sum(balanced_end.values()) == sum(end.values()) + 1


def test_ten_thousand_claims_on_a_lagging_index_stay_even(clock: SimulatedClock) -> None:
    bench = Bench(make_farm(SimulatedTable(INDEXES, seed=3, clock=clock), clock), clock)
    queue_mode.write(bench.farm, QueueMode.BALANCED)
    jobs: list[Job] = [bench.submit({"count": 5_000}) for _ in range(3)]
    clock.advance(3_000)
    floor = Floor(bench, 30)
    rounds = {job.id: 1 for job in jobs}
    shares = [floor.round(rounds) for _ in range(30)]
    total = sum(shares, Counter[int]())
    for job in jobs:
        assert 0.2 <= total[job.id] / total.total() <= 0.47, total
