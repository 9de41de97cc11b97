"""The schedule of the embedded farm: calls the sweep each so many seconds, as EventBridge does in AWS.

One thread, so that two runs never overlap; a run that fails is logged, and the next one tries again.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

JITTER = 0.1


class Timer:
    """Calls `work` at once and then every `every_seconds` (give or take a tenth) after the last call ended."""

    def __init__(
        self, work: Callable[[], object], every_seconds: float, *, jitter: Callable[[], float] = random.random
    ) -> None:
        if every_seconds <= 0:
            raise ValueError(f"every_seconds is above 0, not {every_seconds}")
        self._work = work
        self._every_seconds = every_seconds
        self._jitter = jitter
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when a running call has ended."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._work()
            except Exception:
                logger.exception("A scheduled run failed", extra={"action": "timer_failed"})
            self._stopping.wait(self._every_seconds * (1 - JITTER + 2 * JITTER * self._jitter()))
