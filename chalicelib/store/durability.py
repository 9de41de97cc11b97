"""When what was committed is on the disk, and who waits for that: the second half of a commit of the SQLite engine.

SQLite is told not to sync at each commit (`synchronous = NORMAL`): a commit puts its frames behind those of the commits
before it, and one fsync of the `-wal` file makes all of them durable, in their order. Commits are numbered. Whoever
has written waits until a sync has covered its number; who has only read waits for whatever it may have seen, so that
nobody is told what a power cut could undo. Inside `together` this wait comes once, at its end: the four writes of a
worker's call cost one sync, and calls that end at the same time share it.

Processes that share the file share the numbers too, in a small mapped file: `begun` and `done` change under the
table's write lock, `synced` rises after a sync (that it may fall back when two processes sync at once costs a sync
more, and is no harm).

Dies half way: a process that is killed loses nothing, for the kernel has the frames; after a power cut the file is as
after some commit, and every commit that anybody was told of is in it. A sync that failed cannot be repeated (the
kernel forgets the pages), so the table is of no more use to any process that has it open: a number that all of them
see says so, and everybody gets TableUnavailable. Whoever opens the table when nobody else has it open begins anew:
SQLite has by then moved what was in the `-wal` file into the database, and synced that.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.core.ports import TableUnavailable
from chalicelib.store.file_lock import FileLock, joins_alone

_BEGUN, _DONE, _SYNCED, _FAILED = range(4)
_BYTES = 32
"""A file of an earlier version is shorter, and grows by zeros."""

_OPEN_TO_SYNC = os.O_RDONLY if os.name == "posix" else os.O_RDWR
"""A file that may not be written any more can still be synced."""

_sync_data = getattr(os, "fdatasync", os.fsync)


class Durability:
    """For one table file and process. Make it while holding the table's write lock; `lock_path` is that lock's file."""

    def __init__(self, wal: Path, numbers: Path, lock_path: Path) -> None:
        self._wal = wal
        self._no_commit = FileLock(lock_path)
        self._file = open(numbers, "a+b")  # noqa: SIM115  (open, and locked, as long as the table)
        if self._file.seek(0, os.SEEK_END) < _BYTES:
            self._file.truncate(_BYTES)
        self._map = mmap.mmap(self._file.fileno(), _BYTES)
        self._numbers = memoryview(self._map).cast("Q")
        if joins_alone(self._file):
            self._numbers[_FAILED] = 0
        self._numbers[_DONE] = self._numbers[_BEGUN]
        self._numbers[_SYNCED] = min(self._numbers[_SYNCED], self._numbers[_DONE])
        self._one_at_a_time = threading.Lock()
        self._failure: OSError | None = None
        self._descriptor: int | None = None
        self._here = _Scope()

    # ---- the writer, under the table's lock

    def begin_commit(self) -> int:
        """The number of the commit that comes now."""
        self._numbers[_BEGUN] = number = self._numbers[_BEGUN] + 1
        return number

    def end_commit(self) -> None:
        """It is in the file, or will never be."""
        self._numbers[_DONE] = self._numbers[_BEGUN]

    # ---- everybody else

    def wrote(self, number: int) -> None:
        """The caller's commit had this number."""
        self._wait_or_note(number)

    def has_read(self) -> None:
        """The caller has seen what is in the file, which a commit under way may just have put there."""
        self._wait_or_note(self._numbers[_BEGUN])

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread does with the table in here is durable at the end, not after each call."""
        if self._here.depth:
            yield
            return
        self._here.depth, self._here.number = 1, 0
        try:
            yield
        finally:
            self._here.depth = 0
            self._reach(self._here.number)

    def close(self) -> None:
        self._forget_descriptor()
        self._numbers.release()
        self._map.close()
        self._file.close()
        self._no_commit.close()

    def _wait_or_note(self, number: int) -> None:
        if self._here.depth:
            self._here.number = max(self._here.number, number)
        else:
            self._reach(number)

    def _reach(self, number: int) -> None:
        """Returns when commit `number` and all before it are on the disk. Whoever comes first syncs for all."""
        while self._numbers[_SYNCED] < number:
            with self._one_at_a_time:
                if self._numbers[_SYNCED] < number:
                    self._advance()

    def _advance(self) -> None:
        done = self._numbers[_DONE]
        if done > self._numbers[_SYNCED]:
            self._sync()
            self._numbers[_SYNCED] = max(self._numbers[_SYNCED], done)
            return
        if not self._no_commit.is_real:
            time.sleep(0.001)
            return
        with self._no_commit:  # one was under way: here it is over, also if its process has died in it
            self._numbers[_DONE] = self._numbers[_BEGUN]

    def _sync(self) -> None:
        self._refuse_after_a_failure()
        try:
            descriptor = self._opened()
        except FileNotFoundError:
            return  # all of it stands in the database file, which SQLite has synced
        except OSError as error:  # too many open files: nothing was tried yet, and the next time it may work
            raise TableUnavailable(f"what was written cannot be synced now: {error}") from error
        try:
            _sync_data(descriptor)
        except OSError as error:
            self._numbers[_FAILED] = 1
            self._failure = error
        self._refuse_after_a_failure()

    def _opened(self) -> int:
        """The file's descriptor, the same as long as SQLite does not make another file: one that is opened after a
        failure was told to somebody succeeds without the lost pages. That somebody may be SQLite, which syncs before
        it moves frames into the database, and keeps to itself what comes of it."""
        if self._descriptor is not None:
            if os.path.samestat(os.stat(self._wal), os.fstat(self._descriptor)):
                return self._descriptor
            self._forget_descriptor()
        self._descriptor = os.open(self._wal, _OPEN_TO_SYNC)
        return self._descriptor

    def _forget_descriptor(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refuse_after_a_failure(self) -> None:
        if self._numbers[_FAILED]:
            why = self._failure or "another process was told so"
            raise TableUnavailable(f"the disk failed to keep what was written: {why}; start the server again")


class _Scope(threading.local):
    """Of a thread inside `together`: the latest commit that it may have made or seen."""

    depth = 0
    number = 0
