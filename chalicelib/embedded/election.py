"""Which of several server processes on one data folder runs the feed and the timer: the one that holds a file's lock.

The system drops the lock when its process ends, however it ends; the next process takes over within two seconds.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0


class Election:
    """Calls `begin` when this process is elected, and `end` when it stops (only if it was elected)."""

    def __init__(self, path: Path, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._path = path
        self._begin = begin
        self._end = end
        self._lock: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._stand, name="election", daemon=True)

    @property
    def is_elected(self) -> bool:
        return self._lock is not None

    def start(self) -> None:
        """Elected at once if nobody else is; otherwise it goes on trying in the background."""
        if not self._try():
            self._thread.start()

    def stop(self) -> None:
        """Gives the office back, after `end` returned."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._lock is not None:
            self._end()
            os.close(self._lock)
            self._lock = None

    def _stand(self) -> None:
        while not self._stopping.wait(RETRY_SECONDS) and not self._try():
            pass

    def _try(self) -> bool:
        lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        logger.info("This process runs the feed and the timer", extra={"action": "elected"})
        self._begin()
        return True
