"""A farm for tests: the real core on the SQLite engine, with a clock that stands still until told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.compilers import JOB_TYPES
from chalicelib.core import claiming, jobs, leases, tasks, workers
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Job, Task, Worker
from chalicelib.core.ports import Clock, Table
from chalicelib.core.records.keys import INDEXES
from chalicelib.embedded.bell import LocalBell
from chalicelib.store.sqlite import SqliteTable
from tests.core.ladder import GrowingLadder, Ladder
from tests.engines.memory_objects import MemoryObjects
from tests.engines.simulated import SimulatedClock, SimulatedTable


def make_farm(table: Table, clock: Clock, *, limits: Limits | None = None) -> Farm:
    types = {**JOB_TYPES, "ladder": Ladder(), "growing": GrowingLadder()}
    return Farm(table, MemoryObjects(), clock, LocalBell(), types, limits or Limits(), random.Random(1))


@dataclass
class Bench:
    """A farm and the few things tests do with it all the time."""

    farm: Farm
    clock: SimulatedClock
    requests: int = 0

    def worker(self, name: str = "w", *types: str, tags: tuple[str, ...] = ()) -> Worker:
        description = workers.Description(name, task_types=types or ("sleep",), tags=tags)
        return workers.register(self.farm, description, with_secret=True)[0]

    def submit(self, *rungs: dict[str, object], **wanted: object) -> Job:
        settings = {"rungs": list(rungs) or [{"count": 1}]}
        return jobs.submit(self.farm, jobs.Submission("a job", "ladder", settings, **wanted))  # type: ignore[arg-type]

    def claim(self, worker: Worker, slots: int = 1) -> list[Assignment]:
        self.requests += 1
        return list(claiming.claim(self.farm, worker, f"r{self.requests}", slots=slots).assignments)

    def take(self, worker: Worker) -> Assignment:
        [assignment] = self.claim(worker)
        return assignment

    def report(self, assignment: Assignment, outcome: Outcome = Outcome.COMPLETED, error: str | None = None) -> Task:
        said = leases.Report(outcome, error=error)
        lease = assignment.lease
        return leases.report(self.farm, lease.worker, assignment.task.id, lease.generation, said)

    def fail(self, assignment: Assignment) -> Task:
        return self.report(assignment, Outcome.FAILED, "it broke")

    def work_off(self, worker: Worker) -> int:
        """Claim and complete until nothing is left."""
        done = 0
        while given := self.claim(worker, slots=10):
            for assignment in given:
                self.report(assignment)
                done += 1
        return done

    def job(self, job: Job) -> Job:
        return jobs.get(self.farm, job.id)

    def counts(self, job: Job) -> dict[str, int]:
        """The job's tasks by status, without zeros."""
        counted = jobs.progress(self.farm, self.job(job)).counts
        return {status: count for status, count in counted.items() if count}

    def tasks(self, job: Job) -> list[Task]:
        return [t for step in self.farm.jobs.steps(job.id) for t in tasks.of_step(self.farm, self.job(job), step)]


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture(params=["sqlite", "simulated"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: SimulatedClock) -> Iterator[Bench]:
    """On one machine's engine, and on one that behaves as DynamoDB does on a good day."""
    if request.param == "simulated":
        yield Bench(make_farm(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock), clock), clock)
        return
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    yield Bench(make_farm(table, clock), clock)
    table.close()
