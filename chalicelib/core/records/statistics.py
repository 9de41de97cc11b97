"""Access patterns of the statistics: one item a minute, kept for a day, and one an hour, kept for a month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ports import Absent, Add, ConditionFailed, Delete, Item, Key, Put, Set, Table, Update
from . import keys
from .paging import pages

MINUTE, HOUR = 60_000, 3_600_000
KEPT_MS = {MINUTE: 25 * HOUR, HOUR: 31 * 24 * HOUR}
FRESH_MS = 5 * MINUTE
GAUGES = ("tasks", "jobs", "workers")
COUNTERS = ("ended", "worker", "reason")
MOST_REASONS = 50
"""Why attempts failed, in one writing or one point: the others count together."""
OTHER_REASONS = "other"
FIELDS_AT_ONCE = 100
"""In one update: an expression of DynamoDB ends at 4 KB, some three hundred fields."""


@dataclass(frozen=True)
class Point:
    """What was true in a minute or hour, and how much ended in it. Numbers that nobody noted are absent."""

    at: int
    tasks: Mapping[str, int] = field(default_factory=dict)
    """Of open jobs, by status."""
    jobs: Mapping[str, int] = field(default_factory=dict)
    """Open ones, by status."""
    workers: Mapping[str, int] = field(default_factory=dict)
    """By status, a silent one as lost; and `busy`: those that hold a task."""
    oldest_queued_seconds: int | None = None
    ended: Mapping[str, int] = field(default_factory=dict)
    """Attempts, by outcome."""
    failures_by_worker: Mapping[str, int] = field(default_factory=dict)
    failures_by_reason: Mapping[str, int] = field(default_factory=dict)
    stored_bytes: int | None = None


class StatisticsRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def gauge(self, minute: int, point: Point) -> None:
        """Note what is true now; the last of several processes counts."""
        seen: dict[str, Any] = {name: dict(getattr(point, name)) for name in GAUGES}
        seen["oldest"] = point.oldest_queued_seconds or 0
        seen |= _stored(point)
        changes = tuple(Set(name, value) for name, value in (seen | _expiry(minute, MINUTE)).items())
        self._table.write(Update(keys.statistics(MINUTE, minute), changes))

    def add(self, minute: int, counts: Mapping[str, int]) -> None:
        """Not repeatable, and never read for a decision: if the answer is lost, so may be these numbers."""
        changes = [Add(name, amount) for name, amount in counts.items()]
        expiry = tuple(Set(name, value) for name, value in _expiry(minute, MINUTE).items())
        for start in range(0, len(changes), FIELDS_AT_ONCE):
            some = changes[start : start + FIELDS_AT_ONCE]
            self._table.write(Update(keys.statistics(MINUTE, minute), (*some, *expiry)))

    def put_hour(self, point: Point) -> bool:
        """False if somebody has put it already."""
        key = keys.statistics(HOUR, point.at)
        counts = {f"ended.{name}": count for name, count in point.ended.items()}
        counts |= {f"worker.{name}": count for name, count in point.failures_by_worker.items()}
        counts |= {f"reason.{name}": count for name, count in point.failures_by_reason.items()}
        gauges = {name: dict(getattr(point, name)) for name in GAUGES} | {"oldest": point.oldest_queued_seconds or 0}
        gauges |= _stored(point)
        try:
            self._table.write(
                Put({"pk": key.pk, "sk": key.sk, **counts, **gauges, **_expiry(point.at, HOUR)}, (Absent(),))
            )
        except ConditionFailed:
            return False
        return True

    def points(self, length: int, first: int, last: int) -> list[Point]:
        """Oldest first, both ends included. A day of minutes is one read of a few hundred kilobytes at most."""
        pk = keys.statistics_pk(length)
        found = pages(self._table, pk, first=keys.digits(first), last=keys.digits(last), limit=1500)
        return [_point_from(item) for item in found]

    def latest(self, now: int) -> Point | None:
        """The newest gauges, unless they are older than five minutes: then no sweep runs, and nobody knows."""
        found = reversed(self.points(MINUTE, now - FRESH_MS, now))
        return next((point for point in found if point.oldest_queued_seconds is not None), None)

    def prune(self, now: int) -> None:
        """Drop what is too old (DynamoDB does it by itself)."""
        for length, kept in KEPT_MS.items():
            old = list(pages(self._table, keys.statistics_pk(length), last=keys.digits(now - kept)))
            self._table.write_many([[Delete(Key(item["pk"], item["sk"]))] for item in old])


def most_frequent(counts: Mapping[str, int], other: str) -> dict[str, int]:
    """Those of the most frequent reasons, and the rest under the name `other`."""
    ordered = Counter(counts).most_common()
    kept = Counter(dict(ordered[:MOST_REASONS]))
    if rest := sum(count for _, count in ordered[MOST_REASONS:]):
        kept[other] += rest
    return dict(kept)


def merged(at: int, points: Sequence[Point]) -> Point:
    """Several minutes as one point: gauges on average, counters in sum."""
    gauged = [point for point in points if point.oldest_queued_seconds is not None]

    def average(name: str) -> dict[str, int]:
        words = {word for point in gauged for word in getattr(point, name)}
        return {word: round(sum(getattr(p, name).get(word, 0) for p in gauged) / len(gauged)) for word in words}

    def total(name: str) -> dict[str, int]:
        words = {word for point in points for word in getattr(point, name)}
        return {word: sum(getattr(point, name).get(word, 0) for point in points) for word in words}

    return Point(
        at=at,
        tasks=average("tasks"),
        jobs=average("jobs"),
        workers=average("workers"),
        oldest_queued_seconds=max((point.oldest_queued_seconds or 0 for point in gauged), default=None),
        ended=total("ended"),
        stored_bytes=next((p.stored_bytes for p in reversed(points) if p.stored_bytes is not None), None),
        failures_by_worker=total("failures_by_worker"),
        failures_by_reason=most_frequent(total("failures_by_reason"), OTHER_REASONS),
    )


def _stored(point: Point) -> dict[str, Any]:
    return {} if point.stored_bytes is None else {"stored": point.stored_bytes}


def _expiry(at: int, length: int) -> dict[str, int]:
    return {"expires_at": (at + KEPT_MS[length]) // 1000}


def _point_from(item: Item) -> Point:
    ended, worker, reason = (
        {name.removeprefix(f"{kind}."): item[name] for name in sorted(item) if name.startswith(f"{kind}.")}
        for kind in COUNTERS
    )
    gauges = {name: item.get(name) or {} for name in GAUGES}
    at = int(item["sk"])
    return Point(
        at,
        **gauges,
        oldest_queued_seconds=item.get("oldest"),
        stored_bytes=item.get("stored"),
        ended=ended,
        failures_by_worker=worker,
        failures_by_reason=reason,
    )
