"""The farm over time: what was queued, who worked, what ended and why it failed. For people, never for decisions.

One small item a minute. Its gauges are written by the sweep, once a minute by each process that sweeps: what the sweep
reads anyway (open jobs), one read of all workers, and the index of leases for who is busy. Its counters come from the
processes that see attempts end: each adds its numbers at most every ten seconds, and once more with a sweep. So a
process that is killed takes up to ten seconds of counts with it, and no path that may repeat adds twice. After each
hour its minutes become one point more. Reading any span is one query.

On DynamoDB: one write unit for each process and ten seconds in which something ends, one for each minute's gauges;
half a read unit a minute for every 4 KB of leases and one for every worker; and what `storage` costs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from . import queueing, storage, workers
from .errors import Unavailable
from .farm import Farm
from .model import Attempt, Job, Worker, WorkerId
from .ports import TableUnavailable
from .records.statistics import HOUR, MINUTE, Point, merged

log = logging.getLogger(__name__)

MOST_BY_MINUTE = 1440
"""Minutes; longer spans come by the hour."""
HOUR_IS_OVER_MS = 2 * MINUTE
"""After its end. By then all processes have added what they counted in it."""


@dataclass
class OpenJobs:
    """Counts over the jobs that are not settled yet, one after the other: there may be more than fit into memory."""

    tasks: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, job: Job) -> None:
        self.statuses[job.status.value] += 1
        self.tasks.update({word: count for word, count in job.counts.items() if count})


def ended(farm: Farm, attempt: Attempt) -> None:
    """An attempt has ended, and that is written."""
    now = farm.clock.now()
    if farm.tally.note(_floor(attempt.ended_at, MINUTE), attempt, now):
        write_tally(farm)


def write_tally(farm: Farm) -> None:
    """Add what this process has counted."""
    for minute, counts in farm.tally.take(farm.clock.now()).items():
        try:
            farm.statistics.add(minute, counts)
        except TableUnavailable:
            continue  # whether they were added is not known: better too few than twice
        except ValueError:
            _give_up(minute)


def is_due(farm: Farm) -> bool:
    """Whether this process has noted nothing in this minute."""
    return farm.tally.gauged != _floor(farm.clock.now(), MINUTE)


def note(farm: Farm, jobs: OpenJobs, fleet: Sequence[Worker], busy: Collection[WorkerId]) -> None:
    """The sweep's part, once a minute. `fleet`: all workers; `busy`: those that hold a task."""
    now = farm.clock.now()
    minute = _floor(now, MINUTE)
    farm.statistics.gauge(minute, _now(farm, minute, jobs, fleet, busy))
    if farm.tally.gauged is None or _hour(farm.tally.gauged) != _hour(minute):
        _close_hours(farm, now)
    farm.tally.gauged = minute


def _now(farm: Farm, minute: int, jobs: OpenJobs, fleet: Sequence[Worker], busy: Collection[WorkerId]) -> Point:
    seen = Counter(workers.liveness(farm, worker).value for worker in fleet)
    seen["busy"] = len(busy)
    stored = _stored(farm)
    return Point(minute, jobs.tasks, jobs.statuses, seen, queueing.oldest_seconds(farm), stored_bytes=stored)


def _stored(farm: Farm) -> int | None:
    """The other numbers are told also while the object store does not answer."""
    try:
        found = storage.look(farm)
    except Unavailable:
        return None
    return found.bytes if found is not None else None


def _close_hours(farm: Farm, now: int) -> None:
    """Every hour of the last day that is over and has no point gets one."""
    last = _hour(now) - HOUR
    first = last - 23 * HOUR
    closed = {point.at for point in farm.statistics.points(HOUR, first, last)}
    minutes = farm.statistics.points(MINUTE, first, last + HOUR - 1) if len(closed) < 24 else []
    for hour in range(first, last + HOUR, HOUR):
        within = [point for point in minutes if _floor(point.at, HOUR) == hour]
        if within and hour not in closed:
            try:
                farm.statistics.put_hour(merged(hour, within))
            except ValueError:
                _give_up(hour)
    farm.statistics.prune(now)


def _give_up(at: int) -> None:
    """The table does not bear these numbers, as with too many workers that failed in one minute. Nobody's work is to
    fail for them."""
    log.exception("the statistics of %d are not complete", at, extra={"action": "statistics_lost"})


def _hour(at: int) -> int:
    """Which hour collects now; the one before it is over."""
    return _floor(at - HOUR_IS_OVER_MS, HOUR)


def series(farm: Farm, minutes: int) -> tuple[int, list[Point]]:
    """The seconds that a point stands for, and the points of the last so many minutes, oldest first.

    Minutes in which no sweep ran have no gauges, and those in which nothing happened may have no point.
    """
    length = MINUTE if minutes <= MOST_BY_MINUTE else HOUR
    now = farm.clock.now()
    return length // 1000, farm.statistics.points(length, _floor(now - minutes * MINUTE, length), now)


def latest(farm: Farm) -> Point | None:
    """The newest gauges, unless they are older than five minutes."""
    return farm.statistics.latest(farm.clock.now())


def _floor(at: int, length: int) -> int:
    return at - at % length
