"""How busy this machine is, for people who look at the farm: nothing decides by it.

From `/proc` on Linux; elsewhere by psutil if it is installed, and otherwise nothing is said. A look costs two small
reads. CPU is the share since the look before; two threads may look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

Times = tuple[float, float]
"""Busy, and all, of all processors since the machine started; only differences mean something."""
_SHORTEST_SECONDS = 0.05
"""Over less than so much processor time a share is chance."""


class Load:
    """Of this machine; as the farm is told of it."""

    def __init__(
        self, times: Callable[[], Times | None] | None = None, memory: Callable[[], float | None] | None = None
    ):
        self._times, self._memory = times or _times, memory or _memory
        self._lock = threading.Lock()
        self._before = self._times()
        self._cpu: float | None = None

    def text(self) -> str | None:
        """`cpu=53, memory=41`, both in percent; None where this machine does not tell."""
        with self._lock:
            self._look()
            memory = self._memory()
            if self._cpu is None or memory is None:
                return None
            return f"cpu={_percent(self._cpu)}, memory={_percent(memory)}"

    def _look(self) -> None:
        now, before = self._times(), self._before
        if now is None or before is None:
            return
        busy, every = now[0] - before[0], now[1] - before[1]
        if every >= _SHORTEST_SECONDS:
            self._cpu, self._before = busy / every, now


def _percent(share: float) -> int:
    return max(0, min(100, round(share * 100)))


def _times() -> Times | None:
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
        user, nice, system, idle, waiting, *rest = (int(field) / 100 for field in fields)
    except (OSError, ValueError):
        return _times_by_psutil()
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + waiting


def _memory() -> float | None:
    """What programs hold, of all there is; caches that the system would give up count as free."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, available = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError):
        return _memory_by_psutil()
    return 1 - available / total


def _times_by_psutil() -> Times | None:
    try:
        import psutil
    except ImportError:
        return None
    times = psutil.cpu_times()
    return sum(times) - times.idle, sum(times)


def _memory_by_psutil() -> float | None:
    try:
        import psutil
    except ImportError:
        return None
    return float(psutil.virtual_memory().percent) / 100
