"""The `Table` of one machine: a single SQLite file that several threads and processes share.

Reads take any idle connection (`connections.py`) and never wait for writers (WAL). Writes queue for a group commit
(`group_commit.py`), inside of which `writing.py` decides and writes.
What a call has written or seen is durable when it returns, or at the end of `together` (`durability.py`). `take` looks
and moves inside the writer, so it never loses a race.
What changes its status is noted in a change log (`change_log.py`), which stands in for DynamoDB's stream.

Dies half way: the file is as after the last commit; nothing acknowledged is missing. An instance must not be carried
across `fork`: open one per process.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path

from chalicelib.core.ports import ConditionFailed, Item, Key, Operation, T, Update, failure_of, table
from chalicelib.store import change_log, cursors
from chalicelib.store.change_log import ChangeLog, ChangeRecord, Listener
from chalicelib.store.checks import Indexes, check_key, check_partitions, check_query, check_transaction, check_update
from chalicelib.store.connections import Connections, failures_named
from chalicelib.store.durability import Durability
from chalicelib.store.file_lock import FileLock
from chalicelib.store.group_commit import GroupCommit, Work
from chalicelib.store.rows import Rows, decode_body
from chalicelib.store.writing import Writing


class SqliteTable:
    """`Table` on a file. `change_log=False` leaves the log out, for tables nobody listens to. `ordered`: indexes of
    which `take` looks at many partitions at once (`merging.py`).

    Raises TableUnavailable when the file cannot be opened or is not a database.
    """

    exact = True

    def __init__(
        self,
        path: Path | str,
        indexes: Indexes,
        *,
        change_log: bool = True,
        ordered: Collection[str] = ("ready",),
    ) -> None:
        if str(path) == ":memory:":
            raise ValueError("a table needs a file: connections of several threads cannot share memory")
        self._path = Path(path)
        self._indexes = dict(indexes)
        self._rows = Rows(indexes, frozenset(ordered).intersection(indexes))
        self._log = ChangeLog()
        self._writing = Writing(self._indexes, self._rows, self._log if change_log else None)
        self._connections = Connections(self._path)
        self._here = _Here()
        with failures_named(f"cannot open the table {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(_beside(self._path, ".lock"))
            try:
                self._durability = self._create()
            except BaseException:
                self._lock.close()
                raise
        self._commits = GroupCommit(self._connections.open, self._lock, self._durability, self._log.settle)

    # ---- reading -------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Item | None:
        key = check_key(key)
        with self._reader() as connection:
            return self._rows.read(connection, key)

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        keys = [check_key(key) for key in keys]
        with self._reader() as connection:
            return [self._rows.read(connection, key) for key in keys]

    def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        first: str | None = None,
        last: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> table.Page:
        check_query(pk, index, limit, self._indexes)
        after = None if cursor is None else cursors.decode(cursor, index, pk)
        with self._reader() as connection:
            rows = list(
                self._rows.partition(
                    connection,
                    index,
                    pk,
                    first=first,
                    last=last,
                    after=after,
                    descending=descending,
                    limit=limit + 1,
                )
            )
        items = [decode_body(row[3]) for row in rows[:limit]]
        more = len(rows) > limit
        return table.Page(items, cursors.encode(items[-1], index) if more else None)

    def scan(self, *, limit: int = 100, cursor: str | None = None) -> table.Page:
        after = Key("", "") if cursor is None else Key(*cursors.decode(cursor, None, None).values())
        with self._reader() as connection:
            items = self._rows.after(connection, after, limit)
        return table.Page(items, cursors.encode(items[-1], None) if len(items) == limit else None)

    # ---- writing -------------------------------------------------------------------------------------------------

    def write(self, *operations: Operation) -> None:
        checked = check_transaction(operations, self._indexes)
        if checked:
            self._in_writer(partial(self._writing.transact, checked))

    def update(self, update: Update) -> Item:
        checked = check_update(update, self._indexes)
        [after] = self._in_writer(partial(self._writing.transact, [checked]))
        assert after is not None
        return after

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        checked = [check_transaction(operations, self._indexes) for operations in transactions]
        works = [partial(self._writing.transact, operations) for operations in checked]
        return self._in_writer(lambda connection: [failure_of(partial(work, connection)) for work in works])

    def at_once(self, work: Callable[[], T]) -> T:
        if self._here.connection is not None:
            return work()
        context = copy_context()  # the leader of the commit may be another thread: what is logged is still the caller's
        return self._commits.submit(lambda connection: context.run(self._run_here, work, connection))

    def take(
        self,
        index: str,
        pks: Sequence[str],
        pick: table.Pick,
        *,
        enough: table.Enough = table.first_is_enough,
        onward: table.Onward = table.with_the_next,
        page: int = 40,
    ) -> table.Taken:
        wanted = check_partitions(tuple(pks))
        check_query("-", index, page, self._indexes)
        return self._in_writer(partial(self._writing.take, index, wanted, pick, enough, onward, page))

    def together(self) -> AbstractContextManager[None]:
        """What this thread writes and reads inside is durable at its end, by one sync, and not after each call: for
        who answers to nobody before. Raises TableUnavailable at its end if the disk failed."""
        return self._durability.together()

    # ---- the change log ------------------------------------------------------------------------------------------

    def changes_after(self, seq: int, limit: int) -> list[ChangeRecord]:
        """Changes of status with a higher number than `seq`, oldest first, of all processes."""
        with self._reader() as connection:
            return change_log.read_after(connection, seq, limit)

    def acknowledge(self, consumer: str, seq: int) -> None:
        """The consumer has done everything up to and including `seq`."""
        self._in_writer(lambda connection: change_log.acknowledge(connection, consumer, seq))

    def acknowledged(self, consumer: str) -> int:
        """The highest number the consumer acknowledged, 0 if it never did."""
        with self._reader() as connection:
            return change_log.acknowledged(connection, consumer)

    def prune_changes(self, before_seq: int) -> int:
        """Forget the records with a lower number; gives how many went."""
        return self._in_writer(lambda connection: change_log.prune(connection, before_seq))

    def subscribe(self, listener: Listener) -> None:
        """Call this after each commit *of this process* that changed a status, in the committing thread.

        No lock is held, so the listener may read and write; but a caller waits for it, so it should be quick. Two
        commits may be told in the wrong order: the numbers say which is which.
        """
        self._log.subscribe(listener)

    def close(self) -> None:
        """Only when no call is under way. Later calls raise TableUnavailable; closing twice is closing once."""
        self._connections.close()
        self._commits.close()
        self._durability.close()
        self._lock.close()

    # ---- inside the writer ---------------------------------------------------------------------------------------

    def _in_writer(self, work: Work[T]) -> T:
        if self._here.connection is None:
            return self._commits.submit(work)
        with self._here.failures_noted():
            return work(self._here.connection)

    def _run_here(self, work: Callable[[], T], connection: sqlite3.Connection) -> T:
        """`work`, whose calls of this table use the writer's connection."""
        self._here.connection, self._here.failure = connection, None
        try:
            result = work()
        finally:
            self._here.connection = None
            if self._here.failure is not None:  # whatever `work` has made of it: SQLite may have undone everything
                raise self._here.failure
        return result

    # ---- connections ---------------------------------------------------------------------------------------------

    def _create(self) -> Durability:
        with self._lock:
            connection = self._connections.open()
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                self._rows.create(connection)
                self._log.create(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()
            return Durability(_beside(self._path, "-wal"), _beside(self._path, ".synced"), self._lock.path)

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Inside of `at_once` it is the writer's connection, which sees what was written there."""
        if self._here.connection is not None:
            with self._here.failures_noted():
                yield self._here.connection
            return
        with self._connections.reader() as connection:
            yield connection
        self._durability.has_read()


class _Here(threading.local):
    """Of a thread that runs somebody's `at_once`: the writer's connection, and what SQLite could not do on it."""

    connection: sqlite3.Connection | None = None
    failure: sqlite3.Error | None = None

    @contextmanager
    def failures_noted(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self.failure = error
            raise


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
