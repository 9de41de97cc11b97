"""How many tasks a worker takes beyond those it can run: so that the next one is there when a short one ends.

A task taken ahead is kept from workers that are idle. So it is done only while tasks take a moment: what is ahead is
then begun within `SHORT_SECONDS` or thereabouts. If it is not, because the task before it takes longer than others
did, it is given back (`execution`), and at a stop it is given back at once.
"""

from __future__ import annotations

import math
import threading
from collections import deque

SHORT_SECONDS = 2.0
"""Tasks that take less on the average are taken ahead: of them, the way to the farm is a part that counts."""
MOST = 4
_LAST = 4
_WAY_SECONDS = 0.1
"""Roughly what a claim takes on a busy farm: as many tasks are ahead as are run meanwhile."""


class Ahead:
    """Says how many, from how long the last tasks took. Safe to call from several threads."""

    def __init__(self, slots: int, fixed: int | None) -> None:
        """`fixed`: this many, whatever tasks take."""
        self._slots, self._fixed = slots, fixed
        self._lock = threading.Lock()
        self._last: deque[float] = deque(maxlen=_LAST)

    @property
    def patience_seconds(self) -> float:
        """How long a task may wait for its turn before it is given back."""
        return SHORT_SECONDS if self._fixed is None else math.inf

    def ended(self, seconds: float) -> None:
        """A task took this long."""
        with self._lock:
            self._last.append(seconds)

    def wanted(self, longest_running_seconds: float) -> int:
        """`longest_running_seconds`: of the tasks that run now; one that takes long says more than those before it."""
        if self._fixed is not None:
            return self._fixed
        with self._lock:
            if len(self._last) < _LAST or longest_running_seconds >= SHORT_SECONDS:
                return 0
            average = sum(self._last) / len(self._last)
        if average >= SHORT_SECONDS:
            return 0
        return max(1, min(MOST, math.ceil(self._slots * _WAY_SECONDS / max(average, 0.001))))
