"""A `Table` that behaves as badly as DynamoDB may, from a seed.

In memory and thread-safe. Index reads see a copy that lags by a time drawn per write and hold only the projected
fields; writes lose their answers, arrive twice, conflict, are throttled; and the process may crash (`Crash`) before
or after any call, so that a test can try a crash at each point of a story:

    table = SimulatedTable(INDEXES, seed=1)
    story(table)
    for point in range(table.points):
        table = SimulatedTable(INDEXES, seed=1, crash_at=point)
        with pytest.raises(Crash):
            story(table)
        table.calm()        # the process starts again, the table is as the crash left it

With the default faults (none) and `lag_ms=(0, 0)` it is a plain table, and passes the suite of all engines.
"""

from __future__ import annotations

import copy
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from chalicelib.core.ports import Clock, ConditionFailed, Item, Key, Operation, T, Update, failure_of, table
from chalicelib.store import cursors
from chalicelib.store.checks import (
    Indexes,
    check_key,
    check_query,
    check_size,
    check_transaction,
    check_update,
    item_bytes,
)
from chalicelib.store.evaluate import demand, outcome
from chalicelib.store.racing_take import RacingTake
from tests.engines.lagging_index import LaggingIndex

CONFLICT_RETRIES = 3
PAGE_BYTES = 1024 * 1024
BEFORE_ALL, BEHIND_ALL = "\x00", "\U0010ffff"
"""Sort keys that nobody writes."""


class Crash(BaseException):
    """The process died here. Not an Exception: nothing in the farm may catch it and go on."""


@dataclass(frozen=True)
class Faults:
    """How likely each fault is at each call (0 to 1)."""

    lost_answer: float = 0.0
    """The write takes effect, but the caller gets TableUnavailable."""
    repeated: float = 0.0
    """A single write takes effect, its answer is lost, and the SDK sends it again: it meets its own effect. (A
    transaction carries a token that makes its repetition harmless.)"""
    refused: float = 0.0
    """The write does not take effect, and the caller gets TableUnavailable."""
    conflict: float = 0.0
    """A transaction is under way on the item; retried inside, and after three times TableUnavailable."""
    unreadable: float = 0.0
    """A read fails with TableUnavailable."""
    short_page: float = 0.0
    """A page ends before its limit, perhaps before its first item, and goes on behind its cursor."""
    crash: float = 0.0
    """The process dies before or after the call."""
    partition_writes_per_second: int | None = None
    """More writes than this to one partition within a second of simulated time are refused."""


class SimulatedClock:
    """Milliseconds that pass only when a test says so."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, milliseconds: int) -> None:
        self._now += milliseconds


class SimulatedTable:
    """See the module. `clock` drives lag and throttling; `points` counts the places passed where it could crash.

    `crash_at=k` crashes at the k-th point, from 0: call number k // 2, before it (even) or after it (odd). Each
    transaction of `write_many` and each query and update inside `take` is a call of its own.
    """

    exact = False

    def __init__(
        self,
        indexes: Indexes,
        seed: int,
        *,
        lag_ms: tuple[int, int] = (0, 2000),
        faults: Faults = Faults(),  # noqa: B008  (frozen)
        clock: Clock | None = None,
        crash_at: int | None = None,
    ) -> None:
        self.clock: Clock = clock or SimulatedClock()
        self.faults = faults
        self.crash_at = crash_at
        self.points = 0
        self._indexes = dict(indexes)
        self._chance = random.Random(seed)
        self._items: dict[Key, Item] = {}
        self._lagging = {
            name: LaggingIndex(name, fields, lag_ms, self.clock, self._chance) for name, fields in indexes.items()
        }
        self._writes: Counter[tuple[str, int]] = Counter()
        self.struck: Counter[str] = Counter()
        """What a test may want to be sure of."""
        self._lock = threading.RLock()
        self._racing = RacingTake(
            self.query, self.update, now=lambda: self.clock.now() / 1000, chance=random.Random(seed + 1)
        )

    def calm(self) -> None:
        """No more faults and crashes; the lag stays."""
        self.faults, self.crash_at = Faults(), None

    def items(self) -> list[Item]:
        """Everything in the base table, for a test's own judgement; no call of the farm."""
        with self._lock:
            return copy.deepcopy([self._items[key] for key in sorted(self._items)])

    # ---- reading -------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Item | None:
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        checked = [check_key(key) for key in keys]
        self._before_read()
        with self._lock:
            found = copy.deepcopy([self._items.get(key) for key in checked])
        self._point()
        return found

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
        place = None if cursor is None else cursors.decode(cursor, index, pk)
        self._before_read()
        pk_field, *order = cursors.key_fields(index)

        def rank(item: Item | cursors.Place) -> list[str]:
            return [item[field] for field in order]

        with self._lock:
            there = self._items.values() if index is None else self._lagging[index].items()
            inside = [item for item in there if item[pk_field] == pk and _within(item[order[0]], first, last)]
        inside.sort(key=rank, reverse=descending)
        if place is not None:
            behind = rank(place)
            inside = [item for item in inside if (rank(item) < behind if descending else rank(item) > behind)]
        self._point()
        edge = BEHIND_ALL if descending else BEFORE_ALL
        start = place or {pk_field: pk, **dict.fromkeys(order, edge)}
        bounded = (last if descending else first) is not None
        return self._page(inside, limit, index, None if bounded and place is None else start)

    def scan(self, *, limit: int = 100, cursor: str | None = None) -> table.Page:
        after = None if cursor is None else Key(*cursors.decode(cursor, None, None).values())
        self._before_read()
        with self._lock:
            found = [self._items[key] for key in sorted(self._items) if after is None or key > after]
        self._point()
        return self._page(
            found, limit, None, {"pk": BEFORE_ALL, "sk": BEFORE_ALL} if after is None else after._asdict()
        )

    def _page(self, found: Sequence[Item], limit: int, index: str | None, start: cursors.Place | None) -> table.Page:
        """`start`: from where a page goes on that has nothing; None: such a page would be outside the range."""
        room = _first_megabyte(found[:limit])
        if found and self._happens(self.faults.short_page):
            with self._lock:
                shorter = self._chance.randrange(0 if start else 1, max(room, 2))
                self.struck["short pages"] += shorter < room
            room = min(room, shorter)
        page = copy.deepcopy(list(found[:room]))
        if len(page) < limit and len(page) == len(found):
            return table.Page(page, None)
        # As DynamoDB: a full page has a cursor even if nothing follows.
        return table.Page(page, cursors.encode(page[-1] if page else start or {}, index))

    # ---- writing -------------------------------------------------------------------------------------------------

    def write(self, *operations: Operation) -> None:
        checked = check_transaction(operations, self._indexes)
        if checked:
            self._send(checked)

    def update(self, update: Update) -> Item:
        [after] = self._send([check_update(update, self._indexes)])
        assert after is not None
        return after

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        checked = [check_transaction(operations, self._indexes) for operations in transactions]
        return [failure_of(partial(self._send, operations)) for operations in checked]

    def at_once(self, work: Callable[[], T]) -> T:
        return work()

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
        for pk in pks:
            check_query(pk, index, page, self._indexes)
        return self._racing.take(index, pks, pick, page, onward)

    def _send(self, operations: list[Operation]) -> list[Item | None]:
        self._point()
        try:
            with self._lock:
                self._refuse_perhaps(operations)
                afters = self._commit(operations)
                if len(operations) == 1 and self._happens(self.faults.repeated):
                    afters = self._commit(operations)
                lost = self._happens(self.faults.lost_answer)
        finally:
            self._point()
        if lost:
            raise table.TableUnavailable("the answer was lost")
        return copy.deepcopy(afters)

    def _commit(self, operations: list[Operation]) -> list[Item | None]:
        befores = copy.deepcopy([self._items.get(operation.key) for operation in operations])
        demand(operations, befores)
        pairs = zip(operations, befores, strict=True)
        afters = [outcome(operation, before, self._indexes) for operation, before in pairs]
        for after in afters:
            if after is not None:
                check_size(after)
        for operation, after in zip(operations, afters, strict=True):
            self._store(operation.key, after)
        return afters

    def _store(self, key: Key, after: Item | None) -> None:
        if after is None:
            self._items.pop(key, None)
        else:
            self._items[key] = copy.deepcopy(after)
        for lagging in self._lagging.values():
            lagging.follow(key, after)

    # ---- faults --------------------------------------------------------------------------------------------------

    def _before_read(self) -> None:
        self._point()
        if self._happens(self.faults.unreadable):
            raise table.TableUnavailable("the read failed")

    def _refuse_perhaps(self, operations: list[Operation]) -> None:
        if self._happens(self.faults.refused):
            raise table.TableUnavailable("the write was refused")
        if all(self._happens(self.faults.conflict) for _ in range(1 + CONFLICT_RETRIES)):
            raise table.TableUnavailable("a transaction is under way on the item")
        limit = self.faults.partition_writes_per_second
        for operation in operations if limit is not None else ():
            slot = (operation.key.pk, self.clock.now() // 1000)
            self._writes[slot] += 1
            if limit is not None and self._writes[slot] > limit:
                raise table.TableUnavailable(f"partition {operation.key.pk!r} is throttled")

    def _point(self) -> None:
        with self._lock:
            point, self.points = self.points, self.points + 1
            if point == self.crash_at or self._happens(self.faults.crash):
                raise Crash(f"at point {point}")

    def _happens(self, likelihood: float) -> bool:
        with self._lock:
            return likelihood > 0 and self._chance.random() < likelihood


def _first_megabyte(items: Sequence[Item]) -> int:
    """How many of them a page of DynamoDB holds: up to the item that reaches the limit."""
    size = 0
    for number, item in enumerate(items, 1):
        size += item_bytes(item)
        if size >= PAGE_BYTES:
            return number
    return len(items)


def _within(sort_key: str, first: str | None, last: str | None) -> bool:
    return (first is None or first <= sort_key) and (last is None or sort_key <= last)
