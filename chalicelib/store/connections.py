"""Connections to the file of the SQLite engine, each to one thread at a time."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.core.ports import TableUnavailable

BUSY_SECONDS = 10.0


class Connections:
    """What reads is kept for the next who reads: at most as many as there were readers at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    def open(self) -> sqlite3.Connection:
        """A new one, which the caller closes. Raises SQLite's own errors."""
        if self._closed:
            raise sqlite3.ProgrammingError("it is closed")
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")  # commits are synced by `durability.py`
        return connection

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """An idle one, or a new one; one that failed is not kept. Raises TableUnavailable."""
        with failures_named("the table cannot be read"):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self.open()
            yield connection
            self._idle.append(connection)

    def close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """No further one is opened."""
        self._closed = True
        self.close_idle()


@contextmanager
def failures_named(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise TableUnavailable(f"{what}: {error}") from error
