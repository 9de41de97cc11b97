"""The clock of a real process, and how a time is written."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import overload


class SystemClock:
    """Wall-clock time."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


@overload
def time_text(at_ms: int) -> str: ...
@overload
def time_text(at_ms: int | None) -> str | None: ...
def time_text(at_ms: int | None) -> str | None:
    """RFC 3339 in UTC with milliseconds."""
    if at_ms is None:
        return None
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
