"""A lock between processes, by a file: for writers of one table."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

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
