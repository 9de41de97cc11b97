"""Discrete events: time that passes only when everybody waits, for code that knows nothing of it.

What runs is a greenlet: it calls the real core, whose table (`partitions.py`) waits a few milliseconds in each request;
then whoever is due next runs. So calls overlap as they do on Lambda, where each process answers one call at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import greenlet


class Events:
    """A clock (milliseconds since 1970), and who waits for which time."""

    def __init__(self, now: float = 1_700_000_000_000.0) -> None:
        self._now = now
        self._waiting: list[tuple[float, int, greenlet.greenlet]] = []
        self._sent = 0
        self._hub = greenlet.getcurrent()

    def now(self) -> int:
        return int(self._now)

    def begin(self, work: Callable[[], None], after_ms: float = 0.0) -> None:
        self._push(greenlet.greenlet(work, parent=self._hub), after_ms)

    def pause(self, milliseconds: float) -> None:
        """Others run for so long. Outside of `run`, where nobody else is, time just passes."""
        current = greenlet.getcurrent()
        if current is self._hub:
            self._now += milliseconds
            return
        self._push(current, milliseconds)
        self._hub.switch()

    def run(self, seconds: float) -> None:
        """All that is due within so many seconds; what waits longer goes on with the next call."""
        until = self._now + seconds * 1000
        while self._waiting and self._waiting[0][0] <= until:
            at, _, waiting = heapq.heappop(self._waiting)
            self._now = max(self._now, at)
            waiting.switch()
        self._now = until

    def _push(self, waiting: greenlet.greenlet, milliseconds: float) -> None:
        self._sent += 1
        heapq.heappush(self._waiting, (self._now + milliseconds, self._sent, waiting))
