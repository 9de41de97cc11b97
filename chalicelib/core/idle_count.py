"""Each process's knowledge of how many workers idle: what the sweep noted last, read at most once a minute."""

from __future__ import annotations

from collections.abc import Mapping

from .ports import Clock
from .records.idle import IdleRecords

READ_EVERY_MS = 60_000


class IdleCount:
    def __init__(self, records: IdleRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._known: tuple[Mapping[str, int], int] | None = None
        """The counts, and when they were read."""

    def of(self, kind: str) -> int:
        """How many of this kind of worker (`idling.kind_of`); 0 where nobody knows, and where they are few."""
        known, now = self._known, self._clock.now()
        if known is None or not 0 <= now - known[1] < READ_EVERY_MS:
            self._known = known = self._records.latest(now), now
        return known[0].get(kind, 0)
