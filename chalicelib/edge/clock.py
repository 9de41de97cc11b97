"""The clock of a real process."""

from __future__ import annotations

import time


class SystemClock:
    """Wall-clock time."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000
