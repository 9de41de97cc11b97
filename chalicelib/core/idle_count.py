"""Each process's knowledge of how many workers idle: what the sweep noted last, read at most once a minute."""

from __future__ import annotations

from .lifecycle import WorkerStatus
from .ports import Clock
from .records.statistics import MINUTE, StatisticsRecords

AWAY = (WorkerStatus.OFFLINE.value, WorkerStatus.LOST.value)


class IdleCount:
    def __init__(self, statistics: StatisticsRecords, clock: Clock) -> None:
        self._statistics = statistics
        self._clock = clock
        self._known: tuple[int, int] | None = None
        """The count, and when it was read."""

    def read(self) -> int:
        """0 where nobody knows."""
        known, now = self._known, self._clock.now()
        if known is None or not 0 <= now - known[1] < MINUTE:
            self._known = known = self._noted(now), now
        return known[0]

    def _noted(self, now: int) -> int:
        latest = self._statistics.latest(now)
        if latest is None:
            return 0
        workers = latest.workers
        present = sum(count for status, count in workers.items() if status not in (*AWAY, "busy"))
        return max(0, present - workers.get("busy", 0))
