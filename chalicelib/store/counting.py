"""A `Table` that counts what it is asked: for tests and benchmarks that hold the farm to its number of requests.

Counts calls by method; a `take` counts as `take` and, because that is what it costs at least, as one query and one
write. `DynamoTable.requests` has the exact number of calls to AWS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.core.ports import ConditionFailed, Item, Key, Operation, T, Table, Update, table


class CountingTable:
    """Wraps any table. `requests` is the count so far; `requests.clear()` starts anew."""

    def __init__(self, inner: Table) -> None:
        self._table = inner
        self.exact = inner.exact
        self.requests: Counter[str] = Counter()

    def get(self, key: Key) -> Item | None:
        self.requests["get"] += 1
        return self._table.get(key)

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        self.requests["get_many"] += 1
        return self._table.get_many(keys)

    def query(self, pk: str, **how: Any) -> table.Page:
        self.requests["query"] += 1
        return self._table.query(pk, **how)

    def scan(self, **how: Any) -> table.Page:
        self.requests["scan"] += 1
        return self._table.scan(**how)

    def write(self, *operations: Operation) -> None:
        self.requests["write"] += 1
        self._table.write(*operations)

    def update(self, update: Update) -> Item:
        self.requests["update"] += 1
        return self._table.update(update)

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        self.requests["write_many"] += 1
        return self._table.write_many(transactions)

    def at_once(self, work: Callable[[], T]) -> T:
        return self._table.at_once(work)

    def take(self, index: str, pks: Sequence[str], pick: table.Pick, **how: Any) -> table.Taken:
        self.requests.update(["take", "query", "write"])
        return self._table.take(index, pks, pick, **how)
