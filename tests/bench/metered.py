"""A `Table` that counts requests to DynamoDB and their capacity units, by the sizes of the items.

Units as AWS bills them on demand: a write costs one per begun KB of the larger of the item before and after, and each
index that shows the item differently one per begun KB of its entry (two where the entry moves); in a transaction
twice as much. A read costs one per begun 4 KB, half where it may lag (indexes). A refused conditional write costs the
same as one that is not. moto does not know any of this.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html, and .../GSI.html there.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chalicelib.core.ports import Check, ConditionFailed, Item, Key, Operation, T, Table, Update, failure_of, table
from chalicelib.store.checks import Indexes
from chalicelib.store.racing_take import RacingTake

KEY_FIELDS = ("pk", "sk")


@dataclass
class Bill:
    """What some calls have cost: requests by DynamoDB's name, read and write request units."""

    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    write_units: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.requests.values())


class MeteredTable:
    """Wraps an engine. `bill` grows; `measured()` gives what a block of code adds to it."""

    exact = False

    def __init__(self, inner: Table, indexes: Indexes) -> None:
        self._table = inner
        self._indexes = indexes
        self.bill = Bill()
        self._racing = RacingTake(self.query, self.update, now=time.monotonic, chance=random.Random(1))

    @contextmanager
    def measured(self) -> Iterator[Bill]:
        outer, self.bill = self.bill, Bill()
        try:
            yield self.bill
        finally:
            inner, self.bill = self.bill, outer
            outer.requests += inner.requests
            outer.read_units += inner.read_units
            outer.write_units += inner.write_units

    # ---- reading -------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Item | None:
        item = self._table.get(key)
        self._read("get_item", [item], consistent=True, each=True)
        return item

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        items = self._table.get_many(keys)
        for start in range(0, len(keys), 100):
            self._read("batch_get_item", items[start : start + 100], consistent=True, each=True)
        return items

    def query(self, pk: str, **how: Any) -> table.Page:
        page = self._table.query(pk, **how)
        index = how.get("index")
        items = page.items if index is None else [self._entry(index, item) for item in page.items]
        self._read("query", items, consistent=index is None, each=False)
        return page

    def _read(self, request: str, items: Sequence[Item | None], *, consistent: bool, each: bool) -> None:
        self.bill.requests[request] += 1
        sizes = [0 if item is None else size_of(item) for item in items]
        units = sum(_begun(size, 4096) for size in sizes) if each else _begun(sum(sizes), 4096)
        self.bill.read_units += units if consistent else units / 2

    # ---- writing -------------------------------------------------------------------------------------------------

    def write(self, *operations: Operation) -> None:
        if not operations:
            return
        with self._written(operations):
            self._table.write(*operations)

    def update(self, update: Update) -> Item:
        with self._written([update]):
            return self._table.update(update)

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        return [failure_of(partial(self.write, *operations)) for operations in transactions]

    def at_once(self, work: Callable[[], T]) -> T:
        return self._table.at_once(work)

    def take(self, index: str, pks: Sequence[str], pick: table.Pick, **how: Any) -> table.Taken:
        onward = how.get("onward", table.with_the_next)
        return self._racing.take(index, pks, pick, how.get("page", 40), onward)

    @contextmanager
    def _written(self, operations: Sequence[Operation]) -> Iterator[None]:
        befores = self._table.get_many([operation.key for operation in operations])
        try:
            yield
        finally:
            afters = self._table.get_many([operation.key for operation in operations])
            in_transaction = len(operations) > 1
            self.bill.requests["transact_write_items" if in_transaction else "write"] += 1
            for operation, before, after in zip(operations, befores, afters, strict=True):
                units = self._units(before, after, is_check=isinstance(operation, Check))
                self.bill.write_units += 2 * units if in_transaction else units

    def _units(self, before: Item | None, after: Item | None, *, is_check: bool) -> int:
        sizes = [size_of(item) for item in (before, after) if item is not None]
        units = _begun(max(sizes, default=0), 1024)
        if is_check:
            return units
        return units + sum(self._index_units(index, before, after) for index in self._indexes)

    def _index_units(self, index: str, before: Item | None, after: Item | None) -> int:
        old = None if before is None else self._entry(index, before)
        new = None if after is None else self._entry(index, after)
        if old == new:
            return 0
        if old and new and _place(index, old) == _place(index, new):
            return _begun(max(size_of(old), size_of(new)), 1024)
        return sum(_begun(size_of(entry), 1024) for entry in (old, new) if entry)

    def _entry(self, index: str, item: Item) -> dict[str, Any]:
        """What the index holds of it; nothing if the item is not in there."""
        if not {f"{index}_pk", f"{index}_sk"} <= item.keys():
            return {}
        kept = {*KEY_FIELDS, f"{index}_pk", f"{index}_sk", *self._indexes[index]}
        return {name: value for name, value in item.items() if name in kept}


def size_of(item: Mapping[str, Any]) -> int:
    """Bytes as DynamoDB counts them (to within a byte or two for numbers)."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return 1 + (len(str(abs(value))) + 1) // 2 + (value < 0)
    if isinstance(value, Mapping):
        return 3 + sum(1 + len(str(name).encode()) + _value_size(inner) for name, inner in value.items())
    if isinstance(value, frozenset):
        return sum(map(_value_size, value))
    return 3 + sum(1 + _value_size(inner) for inner in value)


def _place(index: str, entry: Mapping[str, Any]) -> tuple[str, str]:
    return entry[f"{index}_pk"], entry[f"{index}_sk"]


def _begun(size: int, unit: int) -> int:
    """Units for that many bytes: at least one."""
    return max(1, -(-size // unit))
