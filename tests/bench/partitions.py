"""A table in memory that counts as DynamoDB does for each partition key: units per second, requests refused, lag.

Of each key of the table and of each index DynamoDB serves 1,000 write and 3,000 read units a second; what is beyond is
refused here and tried again after a pause, as `store/dynamo_retry.py` does. (Its bursts, and that it also splits what
is hot, are left out: this is stricter.) An index shows a write after a time that is drawn. Of each request it is said
how long it takes to a function that `run` is given, so that others run meanwhile: the conditions are looked at when
that time is over. Quick enough for some thousand requests a second; nothing is copied deeply, so that items may not be
changed in place.
"""

from __future__ import annotations

import bisect
import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chalicelib.core.ports import Check, Clock, ConditionFailed, Item, Key, Operation, T, Update, failure_of, table
from chalicelib.store import cursors
from chalicelib.store.checks import Indexes
from chalicelib.store.evaluate import demand, outcome
from chalicelib.store.racing_take import RacingTake
from tests.bench.metered import Bill, size_of

WRITES_PER_SECOND, READS_PER_SECOND = 1_000, 3_000
FIRST_PAUSE_MS, ATTEMPTS = 20.0, 8
Place = tuple[str, str, str]
"""(sort key, pk, sk)"""


@dataclass
class Index:
    """What an index shows, and what it will show later."""

    keys: tuple[str, str]
    fields: tuple[str, ...]
    entries: dict[Key, Item] = field(default_factory=dict)
    order: defaultdict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    coming: list[tuple[float, int, Key, Item | None]] = field(default_factory=list)
    last_at: dict[Key, float] = field(default_factory=dict)

    def entry(self, item: Item | None) -> Item | None:
        if item is None or any(key not in item for key in self.keys):
            return None
        return {name: item[name] for name in self.fields if name in item}

    def show(self, until: float) -> None:
        while self.coming and self.coming[0][0] <= until:
            _, _, key, entry = heapq.heappop(self.coming)
            before = self.entries.pop(key, None)
            if before is not None:
                places = self.order[before[self.keys[0]]]
                del places[bisect.bisect_left(places, self._place(before))]
            if entry is not None:
                self.entries[key] = entry
                bisect.insort(self.order[entry[self.keys[0]]], self._place(entry))

    def _place(self, entry: Item) -> Place:
        return entry[self.keys[1]], entry["pk"], entry["sk"]


class Storage:
    """The one table behind all `Front`s. `pause(ms)` lets time pass."""

    def __init__(
        self, indexes: Indexes, clock: Clock, pause: Callable[[float], None], *, seed: int, lag_ms: tuple[float, float]
    ) -> None:
        self.indexes, self.clock, self.pause = indexes, clock, pause
        self.lag_ms = lag_ms
        self.chance = random.Random(seed)
        self.bill = Bill()
        self.refused = 0
        self.refused_at: Counter[str] = Counter()
        self.units: Counter[tuple[str, str]] = Counter()
        """("write" or "read", key) -> units in the present second."""
        self.most: Counter[tuple[str, str]] = Counter()
        """The largest number of units that a key had in one second."""
        self.changed: list[Key] = []
        """Items whose status changed: what the stream hears."""
        self._second = -1
        self._items: dict[str, dict[str, Item]] = defaultdict(dict)
        self._order: dict[str, list[str]] = defaultdict(list)
        self._shown = {
            name: Index((f"{name}_pk", f"{name}_sk"), ("pk", "sk", f"{name}_pk", f"{name}_sk", *fields))
            for name, fields in indexes.items()
        }
        self._sent = 0

    def forget_counts(self) -> None:
        self.bill, self.refused = Bill(), 0
        self.refused_at.clear()
        self.most.clear()

    # ---- reading -------------------------------------------------------------------------------------------------

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        self.pause(self.chance.uniform(3, 8))
        found = [self._items[key.pk].get(key.sk) if key.pk in self._items else None for key in keys]
        needed: Counter[tuple[str, str]] = Counter()
        for key, item in zip(keys, found, strict=True):
            needed["read", key.pk] += _begun(item, 4096)
        self._spend(needed)
        self.bill.requests["get_item" if len(keys) == 1 else "batch_get_item"] += 1
        self.bill.read_units += sum(needed.values())
        return [None if item is None else dict(item) for item in found]

    def query(
        self, pk: str, index: str | None, first: str, last: str, descending: bool, limit: int, after: Any
    ) -> table.Page:
        self.pause(self.chance.uniform(3, 8))
        found = self._of_base(pk, first, last) if index is None else self._of_index(index, pk, first, last)
        names = cursors.key_fields(index)[1:]
        if descending:
            found.reverse()
        if after is not None:
            behind = tuple(after[name] for name in names)
            places = [tuple(item[name] for name in names) for item in found]
            found = [i for i, at in zip(found, places, strict=True) if (at < behind if descending else at > behind)]
        items = [dict(item) for item in found[:limit]]
        units = max(1, -(-sum(map(size_of, items)) // 4096)) / (1 if index is None else 2)
        self._spend(Counter({("read", pk if index is None else f"{index}:{pk}"): units}))  # type: ignore[dict-item]
        self.bill.requests["query"] += 1
        self.bill.read_units += units
        return table.Page(items, cursors.encode(items[-1], index) if len(items) == limit else None)

    def _of_base(self, pk: str, first: str, last: str) -> list[Item]:
        order = self._order.get(pk, [])
        inside = order[bisect.bisect_left(order, first) : bisect.bisect_right(order, last)]
        return [self._items[pk][sk] for sk in inside]

    def _of_index(self, name: str, pk: str, first: str, last: str) -> list[Item]:
        shown = self._shown[name]
        shown.show(self.clock.now())
        order = shown.order.get(pk, [])
        start, end = bisect.bisect_left(order, (first, "", "")), bisect.bisect_right(order, (last, "\x7f", "\x7f"))
        return [shown.entries[Key(pk_, sk)] for _, pk_, sk in order[start:end]]

    # ---- writing -------------------------------------------------------------------------------------------------

    def send(self, operations: Sequence[Operation]) -> list[Item | None]:
        """As transactions are: looked at and stored at one moment, again after each refusal."""
        self.pause(self.chance.uniform(3, 8) * (2 if len(operations) > 1 else 1))
        for attempt in range(ATTEMPTS):
            befores = [self._items[one.key.pk].get(one.key.sk) for one in operations]
            pairs = list(zip(operations, befores, strict=True))
            failure: ConditionFailed | None = None
            afters: Sequence[Item | None] = befores
            try:
                demand(operations, befores)
                afters = [outcome(operation, before, self.indexes) for operation, before in pairs]
            except ConditionFailed as failed:
                failure = failed
            if not self._account(pairs, afters):
                self._pause_after(attempt)
                continue
            if failure is not None:
                raise failure
            for operation, after in zip(operations, afters, strict=True):
                self._store(operation.key, after)
            return list(afters)
        raise table.TableUnavailable(f"throttled: {operations[0].key.pk}")

    def _account(self, pairs: Sequence[tuple[Operation, Item | None]], afters: Sequence[Item | None]) -> bool:
        """Counts what this costs. False, and nothing is counted, if a key has not so much left in this second."""
        needed: Counter[tuple[str, str]] = Counter()
        twice = 2 if len(pairs) > 1 else 1
        for (operation, before), after in zip(pairs, afters, strict=True):
            needed["write", operation.key.pk] += twice * max(_begun(before, 1024), _begun(after, 1024))
            if before is after or isinstance(operation, Check):
                continue
            for name, shown in self._shown.items():
                old, new = shown.entry(before), shown.entry(after)
                if old == new:
                    continue
                keys = shown.keys
                is_moved = not (old and new and all(old[key] == new[key] for key in keys))
                for entry in (old, new) if is_moved else (new,):
                    if entry is not None:
                        needed["write", f"{name}:{entry[keys[0]]}"] += twice * _begun(entry, 1024)
        if not self._has_spent(needed):
            return False
        self.bill.requests["write" if twice == 1 else "transact_write_items"] += 1
        self.bill.write_units += sum(needed.values())
        return True

    def _store(self, key: Key, after: Item | None) -> None:
        there = self._items[key.pk]
        before = there.get(key.sk)
        if after is None:
            if before is not None:
                del there[key.sk]
                order = self._order[key.pk]
                del order[bisect.bisect_left(order, key.sk)]
        else:
            if before is None:
                bisect.insort(self._order[key.pk], key.sk)
            there[key.sk] = after
            if before is None or before.get("status") != after.get("status"):
                self.changed.append(key)
        for shown in self._shown.values():
            old, new = shown.entry(before), shown.entry(after)
            if old != new:
                at = max(self.clock.now() + self.chance.uniform(*self.lag_ms), shown.last_at.get(key, 0.0))
                shown.last_at[key], self._sent = at, self._sent + 1
                heapq.heappush(shown.coming, (at, self._sent, key, new))

    def _spend(self, needed: Counter[tuple[str, str]]) -> None:
        for attempt in range(ATTEMPTS):
            if self._has_spent(needed):
                return
            self._pause_after(attempt)
        raise table.TableUnavailable(f"throttled: {min(needed)}")

    def _pause_after(self, attempt: int) -> None:
        self.pause(FIRST_PAUSE_MS * 2**attempt * self.chance.uniform(0.5, 1))

    def _has_spent(self, needed: Counter[tuple[str, str]]) -> bool:
        second = int(self.clock.now()) // 1000
        if second != self._second:
            self._second = second
            self.units.clear()
        over = [one for one, units in needed.items() if self.units[one] + units > _limit(one[0])]
        if over:
            self.refused += 1
            self.refused_at.update(key for _, key in over)
            return False
        self.units.update(needed)
        for one in needed:
            self.most[one] = max(self.most[one], self.units[one])
        return True


class Front:
    """The table as one process has it: with its own memory of what it lost."""

    exact = False

    def __init__(self, storage: Storage, seed: int) -> None:
        self._storage = storage
        self.requests = 0
        """Of this process, those included that were refused in the end."""
        now = storage.clock.now
        self._racing = RacingTake(self.query, self.update, now=lambda: now() / 1000, chance=random.Random(seed))

    def get(self, key: Key) -> Item | None:
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        found: list[Item | None] = []
        for start in range(0, len(keys), 100):
            self.requests += 1
            found += self._storage.get_many(keys[start : start + 100])
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
        self.requests += 1
        after = None if cursor is None else cursors.decode(cursor, index, pk)
        return self._storage.query(pk, index, first or "", last or "\x7f", descending, limit, after)

    def write(self, *operations: Operation) -> None:
        if operations:
            self.requests += 1
            self._storage.send(operations)

    def update(self, update: Update) -> Item:
        self.requests += 1
        [after] = self._storage.send([update])
        assert after is not None
        return dict(after)

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        return [failure_of(partial(self.write, *operations)) for operations in transactions]

    def at_once(self, work: Callable[[], T]) -> T:
        return work()

    def take(self, index: str, pks: Sequence[str], pick: table.Pick, **how: Any) -> table.Taken:
        onward = how.get("onward", table.with_the_next)
        return self._racing.take(index, pks, pick, how.get("page", 40), onward)


def _begun(item: Item | None, unit: int) -> int:
    return max(1, -(-(0 if item is None else size_of(item)) // unit))


def _limit(kind: str) -> int:
    return WRITES_PER_SECOND if kind == "write" else READS_PER_SECOND
