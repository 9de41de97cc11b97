"""When a log that is followed is at its end.

A worker sends a log beside its report that the attempt has ended, so the last lines may come a moment after it. Who
follows a log goes on looking until nothing has come for that long.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

LATE_SECONDS = 3.0
LONG_AGO_SECONDS = 60.0
"""What ended so long ago has had its time. By the clocks of two machines, so not to be cut fine."""


class LogEnd:
    """Of the log of one attempt."""

    def __init__(self) -> None:
        self._quiet_since: float | None = None

    def heard(self) -> None:
        """Something came: more may."""
        self._quiet_since = None

    def is_reached(self, ended_at: datetime | None) -> bool:
        """To be asked when nothing new was there, of an attempt that was over before that look, since `ended_at`."""
        if ended_at is not None and (datetime.now(UTC) - ended_at).total_seconds() > LONG_AGO_SECONDS:
            return True
        now = time.monotonic()
        self._quiet_since = now if self._quiet_since is None else self._quiet_since
        return now - self._quiet_since >= LATE_SECONDS
