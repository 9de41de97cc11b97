"""Locks between processes, by a file: for writers of one table, to tell whether anybody else has it open, and for what
only one may do at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: SQLite's own busy wait is what is left; slower between processes, not less safe.
    fcntl = None  # type: ignore[assignment]


class FileLock:
    """At most one process (and within it one holder for each such value) between `with` and its end."""

    is_real = fcntl is not None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "ab")  # noqa: SIM115  (open as long as the table)

    def __enter__(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._file.close()


def joins_alone(file: IO[bytes]) -> bool:
    """Join those who hold this file, until it is closed or the process ends: whether nobody else did. Those who join
    must exclude each other meanwhile. Where no such locks are, everybody is alone."""
    is_alone = True
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_alone = False
        fcntl.flock(file, fcntl.LOCK_SH)
    return is_alone


@contextmanager
def held_alone(path: Path) -> Iterator[bool]:
    """A lock while the block runs, or until the process ends; False: somebody else has it. The file goes with it."""
    with open(path, "ab") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        if os.name == "posix" and not os.fstat(file.fileno()).st_nlink:
            yield False  # whoever had it removed it since it was opened: what others lock now is another file
            return
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)
