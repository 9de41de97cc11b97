"""The `Table` of one machine: a single SQLite file that several threads and processes share.

Reads take any idle connection and never wait for writers (WAL). Writes queue for a group commit (`group_commit.py`).
What a call has written or seen is durable when it returns, or at the end of `together` (`durability.py`). `take` looks
and moves inside the writer, so it never loses a race.
What changes its status is noted in a change log (`change_log.py`), which stands in for DynamoDB's stream.

Dies half way: the file is as after the last commit; nothing acknowledged is missing. An instance must not be carried
across `fork`: open one per process.
"""

from __future__ import annotations

import heapq
import itertools
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import overload

from chalicelib.core.ports import (
    ConditionFailed,
    Item,
    Key,
    Operation,
    Page,
    Pick,
    T,
    TableUnavailable,
    Taken,
    Update,
)
from chalicelib.store import change_log, cursors
from chalicelib.store.change_log import ChangeLog, ChangeRecord, Listener
from chalicelib.store.checks import Indexes, check_key, check_query, check_transaction, check_update
from chalicelib.store.durability import Durability
from chalicelib.store.evaluate import all_hold, demand, outcome
from chalicelib.store.file_lock import FileLock
from chalicelib.store.group_commit import GroupCommit, Work
from chalicelib.store.rows import Row, Rows, decode_body

TAKE_PAGES = 10
BUSY_SECONDS = 10.0


class SqliteTable:
    """`Table` on a file. `change_log=False` leaves the log out, for tables nobody listens to.

    Raises TableUnavailable when the file cannot be opened or is not a database.
    """

    exact = True

    def __init__(self, path: Path | str, indexes: Indexes, *, change_log: bool = True) -> None:
        if str(path) == ":memory:":
            raise ValueError("a table needs a file: connections of several threads cannot share memory")
        self._path = Path(path)
        self._indexes = dict(indexes)
        self._rows = Rows(indexes)
        self._log = ChangeLog()
        self._keeps_log = change_log
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        self._here = _Here()
        with _failures_named(f"cannot open the table {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(_beside(self._path, ".lock"))
            try:
                self._durability = self._create()
            except BaseException:
                self._lock.close()
                raise
        self._commits = GroupCommit(self._connect, self._lock, self._durability, self._log.settle)

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
    ) -> Page:
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
        return Page(items, cursors.encode(items[-1], index) if more else None)

    # ---- writing -------------------------------------------------------------------------------------------------

    def write(self, *operations: Operation) -> None:
        checked = check_transaction(operations, self._indexes)
        if checked:
            self._in_writer(partial(self._transact, checked))

    def update(self, update: Update) -> Item:
        checked = check_update(update, self._indexes)
        [after] = self._in_writer(partial(self._transact, [checked]))
        assert after is not None
        return after

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        checked = [check_transaction(operations, self._indexes) for operations in transactions]
        return self._in_writer(lambda connection: [self._attempt(one, connection) for one in checked])

    def at_once(self, work: Callable[[], T]) -> T:
        if self._here.connection is not None:
            return work()
        context = copy_context()  # the leader of the commit may be another thread: what is logged is still the caller's
        return self._commits.submit(lambda connection: context.run(self._run_here, work, connection))

    def take(self, index: str, pks: Sequence[str], pick: Pick, *, page: int = 40) -> Taken:
        for pk in pks:
            check_query(pk, index, page, self._indexes)
        return self._in_writer(partial(self._take, index, tuple(dict.fromkeys(pks)), pick, page))

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
        self._closed = True
        while self._idle:
            self._idle.pop().close()
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

    def _transact(self, operations: Sequence[Operation], connection: sqlite3.Connection) -> list[Item | None]:
        """All of it or, by an exception, nothing: everything is decided and encoded before the first row is written."""
        befores = [self._rows.read(connection, operation.key) for operation in operations]
        demand(operations, befores)
        pairs = list(zip(operations, befores, strict=True))
        afters = [outcome(operation, before, self._indexes) for operation, before in pairs]
        changes = [(before, after) for before, after in zip(befores, afters, strict=True) if before is not after]
        writes = [self._rows.write(before, after) for before, after in changes]
        for write in writes:
            connection.execute(*write)
        if self._keeps_log:
            for before, after in changes:
                self._log.note(connection, before, after)
        return afters

    def _attempt(self, operations: Sequence[Operation], connection: sqlite3.Connection) -> ConditionFailed | None:
        try:
            self._transact(operations, connection)
        except ConditionFailed as failure:
            return failure
        return None

    def _take(self, index: str, pks: Sequence[str], pick: Pick, page: int, connection: sqlite3.Connection) -> Taken:
        refused = False
        with closing(self._candidates(index, pks, page, connection)) as pages:
            for update in itertools.chain.from_iterable(map(pick, pages)):
                checked = check_update(update, self._indexes)
                if all_hold(checked.when, self._rows.read(connection, checked.key)):
                    [after] = self._transact([checked], connection)
                    return Taken(after, False)
                refused = True
        return Taken(None, refused)

    def _candidates(
        self, index: str, pks: Sequence[str], page: int, connection: sqlite3.Connection
    ) -> Generator[_Candidates, None, None]:
        """Pages of all partitions together, in one order by sort key."""
        # A statement left open would keep the writer's connection on an old state of the file.
        with closing(self._merged(index, pks, page * TAKE_PAGES, connection)) as merged:
            for _ in range(TAKE_PAGES):
                rows = list(itertools.islice(merged, page))
                if not rows:
                    return
                yield _Candidates(rows)

    def _merged(
        self, index: str, pks: Sequence[str], limit: int, connection: sqlite3.Connection
    ) -> Generator[Row, None, None]:
        """A partition is opened when the turn of its first row has come: of five hundred lanes, a few are."""
        heads = self._rows.heads(connection, index, pks)
        opened: list[tuple[Row, int, sqlite3.Cursor]] = []
        with ExitStack() as cursors_of_partitions:
            while heads or opened:
                while heads and (not opened or heads[0][0] <= opened[0][0][0]):
                    _, pk = heapq.heappop(heads)
                    rows = self._rows.partition(connection, index, pk, limit=limit)
                    cursors_of_partitions.callback(rows.close)
                    if (first := rows.fetchone()) is not None:
                        heapq.heappush(opened, (first, len(heads), rows))
                if not opened:
                    return  # the one partition there was is empty
                row, number, rows = opened[0]
                following = rows.fetchone()
                if following is None:
                    heapq.heappop(opened)
                else:
                    heapq.heapreplace(opened, (following, number, rows))
                yield row

    # ---- connections ---------------------------------------------------------------------------------------------

    def _create(self) -> Durability:
        with self._lock:
            connection = self._connect()
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                self._rows.create(connection)
                self._log.create(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()
            return Durability(_beside(self._path, "-wal"), _beside(self._path, ".synced"), self._lock.path)

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("it is closed")
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")  # commits are synced by `durability.py`
        return connection

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """An idle connection, or a new one: at most as many as there were readers at once. Inside of `at_once` the
        writer's, which sees what was written there."""
        if self._here.connection is not None:
            with self._here.failures_noted():
                yield self._here.connection
            return
        with _failures_named("the table cannot be read"):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
            yield connection
            self._idle.append(connection)
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


class _Candidates(Sequence[Item]):
    """Rows of an index that become items when looked at: `pick` mostly wants the first."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._items: dict[int, Item] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, position: int) -> Item: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Item]: ...

    def __getitem__(self, position: int | slice) -> Item | Sequence[Item]:
        if isinstance(position, slice):
            return _Candidates(self._rows[position])
        row = self._rows[position]
        if position not in self._items:
            self._items[position] = decode_body(row[3])
        return self._items[position]


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


@contextmanager
def _failures_named(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise TableUnavailable(f"{what}: {error}") from error
