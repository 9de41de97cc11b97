"""A farm whose events are delivered by the test as Lambda does it: to the function that its handler string names."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app import app
from chalicelib.config import Settings
from chalicelib.core.farm import Limits
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Attempt, Job, Task
from chalicelib.core.records import keys, task_writes
from chalicelib.edge import current
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable

EVENTS = Path(__file__).resolve().parents[1] / "events"


def recorded(name: str) -> Any:
    """An event as AWS sends it."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def deliver(function: str, event: Any) -> Any:
    """Call a function as Lambda does, and give what it answers as JSON."""
    [source] = [one for one in app.event_sources if one.name == function]
    module, _, name = source.handler_string.rpartition(".")
    return json.loads(json.dumps(getattr(importlib.import_module(module), name)(event, None)))


def failures(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def changes(*tasks: Task, before: str = "active") -> Any:
    """Records of the stream: these tasks have come to where they are now. Numbered from 1."""
    event = recorded("stream")
    [record] = event["Records"]
    event["Records"] = [_change(record, task, before, number) for number, task in enumerate(tasks, start=1)]
    return event


def _change(record: Any, task: Task, before: str, number: int) -> Any:
    made, key = copy.deepcopy(record), keys.task(task.id)
    made["dynamodb"]["Keys"] = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
    made["dynamodb"]["NewImage"]["status"]["S"] = task.status.value
    made["dynamodb"]["OldImage"]["status"]["S"] = before
    made["dynamodb"]["SequenceNumber"] = str(number)
    return made


def errands(*bodies: str) -> Any:
    """Messages of the queue, with the ids 1, 2, ..."""
    event = recorded("queue")
    [record] = event["Records"]
    event["Records"] = [{**record, "messageId": str(n), "body": body} for n, body in enumerate(bodies, start=1)]
    return event


class TickingClock(SimulatedClock):
    """Each look at it takes a while, so that a turn is over after a few windows."""

    def now(self) -> int:
        self.advance(50)
        return super().now()


@dataclass
class KeptErrands:
    """`Errands` that wait until the test runs them."""

    left: list[str] = field(default_factory=list)

    def settle(self, job_id: int) -> None:
        self.left.append(json.dumps({"settle": str(job_id)}))

    def collect(self, collection_id: int) -> None:
        self.left.append(json.dumps({"collect": str(collection_id)}))

    def run_all(self) -> int:
        """Deliver what was left, and what that leaves; how many there were."""
        done = 0
        while self.left:
            assert failures(deliver("errand_left", errands(self.left.pop(0)))) == []
            done += 1
            assert done < 100, "the errands never end"
        return done


@dataclass
class AwsBench(Bench):
    @property
    def table(self) -> SimulatedTable:
        assert isinstance(self.farm.table, SimulatedTable)
        return self.farm.table

    def dies_after_the_end_of(self, assignment: Assignment) -> Task:
        """The manager wrote that the attempt completed, and crashed before anything else."""
        task, lease, now = assignment.task, assignment.lease, self.clock.now()
        attempt = Attempt(1, lease.generation, lease.worker, Outcome.COMPLETED, 0, None, lease.granted_at, now)
        return self.farm.tasks.update(task_writes.ended(task, "complete", attempt))

    def states(self, job: Job) -> tuple[Any, ...]:
        """Everything of a job that must not change when an event comes again."""
        return (self.job(job), self.tasks(job), self.farm.jobs.steps(job.id), self.windows(job))

    def windows(self, job: Job) -> Sequence[Any]:
        return [list(self.farm.windows.all(step)) for step in self.farm.jobs.steps(job.id)]


def _bench(folder: Path, clock: SimulatedClock, **limits: float) -> AwsBench:
    table = SimulatedTable(keys.INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    farm = make_farm(table, clock, limits=Limits(**limits))  # type: ignore[arg-type]
    current.serve(farm, Settings(data=folder))
    return AwsBench(farm, clock)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[AwsBench]:
    """Time stands still."""
    yield _bench(tmp_path, SimulatedClock())
    current.forget()


@pytest.fixture
def kept() -> KeptErrands:
    return KeptErrands()


@pytest.fixture
def hurried(tmp_path: Path, kept: KeptErrands) -> Iterator[AwsBench]:
    """A farm with a queue, whose calls run out of time after a few windows."""
    bench = _bench(tmp_path, TickingClock(), settle_seconds=8)
    object.__setattr__(bench.farm, "errands", kept)
    yield bench
    current.forget()
