"""Many callers, one commit: the writing half of the SQLite engine.

A commit costs as much as several statements, and its fsync 0.2 ms on a good disk and 10 ms on a poor one, however much
it holds. So callers put their work in a queue; the first becomes the leader, runs all that waits inside one BEGIN
IMMEDIATE ... COMMIT, hands each caller its result after the commit, and passes the lead to whoever queued meanwhile.
There is no writer thread to die. When a commit is on the disk is a question of its own (`durability.py`).

Processes that share the file take turns by a lock on `<file>.lock`, taken before BEGIN: SQLite's own busy wait polls
with growing sleeps and has p99 of 130-320 ms where this has 15-26 ms.

Dies half way: SQLite rolls the whole commit back at the next start, the lock goes with the process, and nobody of that
commit had been told anything.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from chalicelib.core.ports import TableUnavailable
from chalicelib.store.durability import Durability
from chalicelib.store.file_lock import FileLock

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Runs inside the write transaction. Raises before it writes, or not at all (SQLite's own errors undo everything)."""

LARGEST_BATCH = 128
LONGEST_BATCH_SECONDS = 0.02


class _Ticket(Generic[T]):
    """One caller's work and, later, its result. The lock is held until the caller is to wake up."""

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self._result: list[T] = []
        self.error: BaseException | None = None
        self.number = 0
        """Of its commit."""
        self.finished = False
        self.promoted = False
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def run(self, connection: sqlite3.Connection) -> None:
        try:
            self._result.append(self._work(connection))
        except (sqlite3.Error, MemoryError):
            raise
        except Exception as error:
            self.error = error

    def wake(self) -> None:
        self._asleep.release()

    def sleep(self) -> None:
        self._asleep.acquire()

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self._result[0]


class GroupCommit:
    """Runs work of many threads in few commits.

    `connect` opens the writing connection; `durability` numbers the commits; `committed` is told, by the leader while
    it still leads, whether the commit succeeded, and gives what is to be called when no lock is held any more.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        lock: FileLock,
        durability: Durability,
        committed: Callable[[bool], Callable[[], None]],
    ) -> None:
        self._connect = connect
        self._lock = lock
        self._durability = durability
        self._committed = committed
        self._connection: sqlite3.Connection | None = None
        self._guard = threading.Lock()
        self._queue: deque[_Ticket[Any]] = deque()
        self._led = False
        self._closed = False

    def submit(self, work: Work[T]) -> T:
        """The work's result, or what it raised. It is durable, or will be at the end of the caller's `together`.
        TableUnavailable if the disk failed."""
        ticket = _Ticket(work)
        with self._guard:
            if self._closed:
                raise TableUnavailable("the table is closed")
            self._queue.append(ticket)
            leads, self._led = not self._led, True
        if not leads:
            self._wait(ticket)
        if not ticket.finished:
            self._lead()
        self._durability.wrote(ticket.number)
        return ticket.result()

    def close(self) -> None:
        """Only when no caller is inside."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _wait(self, ticket: _Ticket[Any]) -> None:
        """Until the ticket is finished or is to lead."""
        try:
            ticket.sleep()
        except BaseException:
            # Ctrl-C in the main thread: a ticket nobody stands behind must never get the lead.
            self._leave(ticket)
            raise

    def _leave(self, ticket: _Ticket[Any]) -> None:
        with self._guard:
            if ticket not in self._queue:
                return
            self._queue.remove(ticket)
        if ticket.promoted:
            self._pass_lead()

    def _lead(self) -> None:
        batch: list[_Ticket[Any]] = []  # filled when the file is ours; the leader's own ticket is the first that waits
        announce: Callable[[], None] | None = None
        try:
            announce = self._commit(batch)
        finally:
            self._pass_lead()
            for ticket in batch:
                if announce is None and ticket.error is None:
                    ticket.error = TableUnavailable("the commit was interrupted")
                ticket.finished = True
                ticket.wake()
        announce()

    def _pass_lead(self) -> None:
        with self._guard:
            if self._queue:
                self._queue[0].promoted = True
                self._queue[0].wake()
            else:
                self._led = False

    def _commit(self, batch: list[_Ticket[Any]]) -> Callable[[], None]:
        try:
            with self._lock:
                self._transact(batch)
        except (sqlite3.Error, OSError) as error:
            self._take_all_if_none(batch)
            for ticket in batch:
                ticket.error = TableUnavailable(f"the commit failed: {error}")
            return self._committed(False)
        except BaseException:
            self._take_all_if_none(batch)
            self._committed(False)
            raise
        return self._committed(True)

    def _transact(self, batch: list[_Ticket[Any]]) -> None:
        if self._connection is None:
            self._connection = self._connect()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for ticket in self._whoever_waits(batch):
                ticket.run(self._connection)
            number = self._durability.begin_commit()
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._durability.end_commit()
        for ticket in batch:
            ticket.number = number

    def _whoever_waits(self, batch: list[_Ticket[Any]]) -> Iterator[_Ticket[Any]]:
        """Also those that come meanwhile, into the same commit, as long as the first need not wait long for it."""
        end_at = time.monotonic() + LONGEST_BATCH_SECONDS
        while not batch or (len(batch) < LARGEST_BATCH and time.monotonic() < end_at):
            with self._guard:
                if not self._queue:
                    return
                batch.append(self._queue.popleft())
            yield batch[-1]

    def _take_all_if_none(self, batch: list[_Ticket[Any]]) -> None:
        """It failed before the first was run, so the file was not to be had: all who wait have waited long enough."""
        with self._guard:
            if batch:
                return
            batch.extend(self._queue)
            self._queue.clear()

    def _roll_back(self) -> None:
        """Back to a usable connection; one that cannot even roll back is given up and opened anew next time."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.rollback()
            self._connection = connection
        except sqlite3.Error:
            connection.close()
