"""The farm over time: points for charts, and the newest one as OpenMetrics text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import Field

from ..config import VERSION
from ..core import statistics
from ..core.access import Scope
from ..core.farm import Farm
from ..core.lifecycle import JobStatus, Outcome, TaskStatus, WorkerStatus
from ..core.records.statistics import Point
from ..edge.clock import time_text
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer, Counts, Id, Time
from .operations import Operation, Parameter
from .reading import number

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_MINUTES = 30 * 24 * 60
DEFAULT_MINUTES = 60


class WorkerFailures(Answer):
    worker: Id
    count: int


class ReasonFailures(Answer):
    """`reason`: the exit code, or the first line of the error with `#` for numbers."""

    reason: str
    count: int


class StatisticsPoint(Answer):
    """A minute or an hour (then `at` is its beginning, and what was true in it an average)."""

    at: Time
    tasks: Annotated[Counts | None, Field(description="Of open jobs; null if nobody looked in this minute.")]
    jobs: Annotated[dict[str, int], Field(description="Open ones by status.")]
    workers: Annotated[dict[str, int], Field(description="By status.")]
    busy_workers: Annotated[int, Field(description="Those that hold a task.")]
    idle_workers: Annotated[int, Field(description="Awake, and without a task.")]
    oldest_queued_seconds: Annotated[int | None, Field(description="Age of the oldest task next in its lane.")]
    ended: Annotated[dict[str, int], Field(description="Attempts that ended, by outcome.")]
    failures_by_worker: list[WorkerFailures]
    failures_by_reason: list[ReasonFailures]
    stored_bytes: Annotated[
        int | None,
        Field(description="Files and logs, as last summed up: a thousand objects are looked at each minute."),
    ]


class Statistics(Answer):
    """Oldest first. There is no point for a minute in which the farm did not run."""

    seconds_per_point: int
    points: list[StatisticsPoint]


def show(farm: Farm, request: Request) -> Reply:
    """The farm over time.

    By the minute for up to a day (1,440 minutes), by the hour for up to 30 days. What ended may be counted up to a
    minute late; a manager that is killed forgets up to ten seconds of it.
    """
    seconds, points = statistics.series(farm, number(request, "minutes", DEFAULT_MINUTES, 1, MOST_MINUTES))
    return answer(Statistics(seconds_per_point=seconds, points=[_shown(point) for point in points]))


def _shown(point: Point) -> StatisticsPoint:
    looked = point.oldest_queued_seconds is not None
    return StatisticsPoint(
        at=time_text(point.at),
        tasks=Counts(**{word.value: point.tasks.get(word.value, 0) for word in TaskStatus}) if looked else None,
        jobs={word.value: point.jobs[word.value] for word in JobStatus if word.value in point.jobs},
        workers={word.value: point.workers[word.value] for word in WorkerStatus if word.value in point.workers},
        busy_workers=_busy(point),
        idle_workers=_idle(point),
        oldest_queued_seconds=point.oldest_queued_seconds,
        ended={word.value: point.ended[word.value] for word in Outcome if word.value in point.ended},
        failures_by_worker=[WorkerFailures(worker=name, count=n) for name, n in _most(point.failures_by_worker)],
        failures_by_reason=[ReasonFailures(reason=name, count=n) for name, n in _most(point.failures_by_reason)],
        stored_bytes=point.stored_bytes,
    )


def _busy(point: Point) -> int:
    return point.workers.get("busy", 0)


def _idle(point: Point) -> int:
    return max(0, point.workers.get("awake", 0) - _busy(point))


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


# ---- OpenMetrics ---------------------------------------------------------------------------------------------------

Sample = tuple[Mapping[str, str], int | float]


def metrics(farm: Farm, request: Request) -> Reply:
    """The farm's state for Prometheus, as OpenMetrics text.

    As the last sweep saw it, which is a minute ago at most; `millrace_sweep_age_seconds` says when. Two small reads.
    """
    return Reply(200, "".join(_lines(farm)).encode(), OPENMETRICS)


def _lines(farm: Farm) -> Iterator[str]:
    yield from _gauge("farm", "The version that runs.", [({"version": VERSION}, 1)])
    point = statistics.latest(farm)
    if point is not None:
        age = (farm.clock.now() - point.at) / 1000
        yield from _gauge("tasks", "Tasks of open jobs.", _by_status(TaskStatus, point.tasks))
        yield from _gauge("jobs", "Jobs that are open.", _by_status(JobStatus, point.jobs))
        yield from _gauge("workers", "Workers.", _by_status(WorkerStatus, point.workers))
        yield from _gauge("busy_workers", "Workers that hold a task.", [({}, _busy(point))])
        oldest = point.oldest_queued_seconds or 0
        yield from _gauge(
            "oldest_queued_seconds", "Age of the oldest task next in its lane.", [({}, oldest)], "seconds"
        )
        if point.stored_bytes is not None:
            stored: list[Sample] = [({}, point.stored_bytes)]
            yield from _gauge("stored_bytes", "Files and logs, as last summed up.", stored, "bytes")
        yield from _gauge("sweep_age_seconds", "Since the minute of these numbers.", [({}, age)], "seconds")
    yield "# EOF\n"


def _by_status(words: type[TaskStatus | JobStatus | WorkerStatus], counts: Mapping[str, int]) -> list[Sample]:
    """All words, so that no series ends when a number falls to 0."""
    return [({"status": word.value}, counts.get(word.value, 0)) for word in words]


def _gauge(name: str, about: str, samples: Iterable[Sample], unit: str = "") -> Iterator[str]:
    yield f"# TYPE millrace_{name} gauge\n"
    if unit:
        yield f"# UNIT millrace_{name} {unit}\n"
    yield f"# HELP millrace_{name} {about}\n"
    for labels, value in samples:
        told = ",".join(f'{label}="{text}"' for label, text in labels.items())
        yield f"millrace_{name}{'{' + told + '}' if told else ''} {value}\n"


_MINUTES = Parameter(
    "minutes",
    "How far back.",
    {"type": "integer", "minimum": 1, "maximum": MOST_MINUTES, "default": DEFAULT_MINUTES},
)

OPERATIONS = (
    Operation("GET", "/statistics", show, Scope.SUBMIT, answer=Statistics, parameters=(_MINUTES,)),
    Operation("GET", "/metrics", metrics, Scope.SUBMIT, media=OPENMETRICS),
)
