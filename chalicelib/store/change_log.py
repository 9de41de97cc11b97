"""The embedded farm's stream: which items got a new status, in the order of the commits.

Written by the SQLite engine in the transaction that makes the change, so that no change is missing and none is there
that did not happen. It holds keys and the new status, not images: who reads a record looks at the item as it is now.
A consumer acknowledges what it has done and, after a crash, gets the rest again: records may be seen twice.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.core.ports import Item

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChangeRecord:
    """The item's status is now this one. `status` None: the item, or its status, is gone.

    `ready_pk` is the partition of the ready index in which the item stands now, so that its waiters can be woken
    without a read.
    """

    seq: int
    pk: str
    sk: str
    status: str | None
    ready_pk: str | None


Listener = Callable[[Sequence[ChangeRecord]], None]


class ChangeLog:
    """Notes changes inside a commit and tells listeners of this process after it.

    `note` and `settle` are called only by the thread that holds the write lock.
    """

    def __init__(self) -> None:
        self._fresh: list[ChangeRecord] = []
        self._listeners: tuple[Listener, ...] = ()

    def create(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, "
            "pk TEXT NOT NULL, sk TEXT NOT NULL, status TEXT, ready_pk TEXT)"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS consumers (name TEXT PRIMARY KEY, seq INTEGER NOT NULL)")

    def note(self, connection: sqlite3.Connection, before: Item | None, after: Item | None) -> None:
        """Record the change if it changes the status. A new item without one is no news."""
        item, status = after or before, _status(after)
        if item is None or status == _status(before):
            return
        ready_pk = after.get("ready_pk") if after is not None else None
        row = (item["pk"], item["sk"], status, ready_pk)
        statement = "INSERT INTO changes (pk, sk, status, ready_pk) VALUES (?, ?, ?, ?)"
        seq = connection.execute(statement, row).lastrowid
        assert seq is not None
        self._fresh.append(ChangeRecord(seq, *row))

    def settle(self, committed: bool) -> Callable[[], None]:
        """End of a commit. Gives what is to be called when the locks are released."""
        fresh, self._fresh = self._fresh, []
        listeners = self._listeners if committed and fresh else ()
        return lambda: _tell(listeners, fresh)

    def subscribe(self, listener: Listener) -> None:
        self._listeners = (*self._listeners, listener)


def read_after(connection: sqlite3.Connection, seq: int, limit: int) -> list[ChangeRecord]:
    statement = "SELECT seq, pk, sk, status, ready_pk FROM changes WHERE seq > ? ORDER BY seq LIMIT ?"
    return [ChangeRecord(*row) for row in connection.execute(statement, (seq, limit))]


def acknowledge(connection: sqlite3.Connection, consumer: str, seq: int) -> None:
    """Never backwards: the answer to an old acknowledgement may arrive after a newer one."""
    connection.execute(
        "INSERT INTO consumers (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)",
        (consumer, seq),
    )


def acknowledged(connection: sqlite3.Connection, consumer: str) -> int:
    row = connection.execute("SELECT seq FROM consumers WHERE name = ?", (consumer,)).fetchone()
    return 0 if row is None else int(row[0])


def prune(connection: sqlite3.Connection, before_seq: int) -> int:
    return connection.execute("DELETE FROM changes WHERE seq < ?", (before_seq,)).rowcount


def _status(item: Item | None) -> str | None:
    status = item.get("status") if item is not None else None
    return status if isinstance(status, str) else None


def _tell(listeners: Sequence[Listener], records: Sequence[ChangeRecord]) -> None:
    for listener in listeners:
        try:
            listener(records)
        except Exception:
            # The commit has happened, and its caller must hear so; the listener finds the records in the log.
            logger.exception("A listener of the change log failed", extra={"action": "change_listener_failed"})
