"""What was said between the farm and its workers and clients, and what was true at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from millrace import Farm

Json = Any


@dataclass(frozen=True)
class Exchange:
    """One request as the server got it. Times are seconds on one monotonic clock."""

    method: str
    path: str
    body: Json
    """None: it was no JSON."""
    forwarded_at: float
    answered_at: float | None
    """None: the server did not answer; whether it acted is not known."""
    status: int | None
    answer: Json
    delivered: bool
    """The answer reached whoever asked."""

    @property
    def worker(self) -> str | None:
        """Whose call it is, if it is one of a worker."""
        parts = self.path.split("/")
        return parts[2] if len(parts) > 3 and parts[1] == "worker" else None

    @property
    def call(self) -> str:
        """`contract`, `renew`, `sign-on` ... of a worker; else empty."""
        return self.path.split("/")[3] if self.worker is not None else ""


@dataclass(frozen=True)
class EndedTask:
    id: str
    status: str
    attempts: tuple[tuple[str | None, str | None], ...]
    """(worker, outcome), in order."""


@dataclass(frozen=True)
class EndedJob:
    id: str
    status: str
    counts: Mapping[str, int]
    tasks: tuple[EndedTask, ...]


@dataclass(frozen=True)
class Ending:
    """What the farm says when nothing moves any more."""

    jobs: tuple[EndedJob, ...]

    def tasks(self) -> Iterator[EndedTask]:
        for job in self.jobs:
            yield from job.tasks


@dataclass(frozen=True)
class Run:
    """What the tasks themselves wrote down, by task: two that ran at the same time found the other's lock."""

    overlaps: tuple[str, ...]


def ending_of(farm: Farm) -> Ending:
    found = []
    for job in farm.jobs():
        tasks = tuple(
            EndedTask(task.id, task.status, tuple((attempt.worker, attempt.outcome) for attempt in task.attempts))
            for task in farm.tasks(job)
        )
        current = farm.job(job)  # with the counts of this moment
        found.append(EndedJob(job.id, current.status, dict(current.counts), tasks))
    return Ending(tuple(found))


def write(path: Path, exchanges: Sequence[Exchange]) -> None:
    with path.open("w") as file:
        for exchange in exchanges:
            file.write(json.dumps(asdict(exchange)) + "\n")
