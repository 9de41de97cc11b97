"""A process's wall clock, put wrong by a file that can be changed while it runs. The monotonic clock stays true."""

from __future__ import annotations

import time
from pathlib import Path

LOOK_SECONDS = 0.1


def skew_by(path: Path) -> None:
    """From now on `time.time` and `time.time_ns` are off by the seconds that stand in this file; none: not at all.

    Before anything else is imported that might keep the true ones.
    """
    true_ns, monotonic = time.time_ns, time.monotonic
    offset_ns, looked_at = 0, -1.0

    def wrong_ns() -> int:
        nonlocal offset_ns, looked_at
        if (now := monotonic()) - looked_at > LOOK_SECONDS:
            offset_ns, looked_at = _offset_ns(path), now
        return true_ns() + offset_ns

    time.time_ns = wrong_ns
    time.time = lambda: wrong_ns() / 1e9


def put_wrong(path: Path, seconds: float) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(str(seconds))
    fresh.replace(path)


def _offset_ns(path: Path) -> int:
    try:
        return int(float(path.read_text()) * 1e9)
    except (OSError, ValueError):
        return 0
