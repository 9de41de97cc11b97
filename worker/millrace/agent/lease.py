"""How long a task may still be worked on: lease arithmetic on a clock that also runs while the machine sleeps.

Used by the renew and watch threads. A lease is counted from *before* the request was sent that granted it, so that a
slow answer shortens our lease, never lengthens it; the manager for its part waits 90 s longer than it told us.
Between the two no clock is ever compared.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]

MARGIN_SECONDS = 10.0
"""A task is ended this long before its lease ends: time enough to kill a tree on a busy machine."""


def boot_seconds() -> float:
    """Seconds since some fixed moment, counting the time the machine was suspended.

    `time.monotonic()` stands still in suspend on Linux and macOS: a laptop opened after lunch would believe its leases.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    elif sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    else:
        return time.monotonic()


@dataclass(frozen=True)
class Lease:
    """The right to work on one attempt for `lease_seconds`, counted from `counted_from` (`boot_seconds` before
    sending).
    """

    counted_from: float
    lease_seconds: float

    @property
    def renew_at(self) -> float:
        return self.counted_from + self.lease_seconds / 3

    @property
    def abandon_at(self) -> float:
        """The task's processes must be gone from here on; at most a fifth of a short lease is given up."""
        return self.ends_at - min(MARGIN_SECONDS, self.lease_seconds / 5)

    @property
    def ends_at(self) -> float:
        return self.counted_from + self.lease_seconds
