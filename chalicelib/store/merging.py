"""The best of many partitions first: what `take` of the SQLite engine looks at.

A few partitions are merged by their heads, each opened when the turn of its first row has come. Of many, nearly all of
which have rows that this caller may take, it is quicker to walk through all rows of the index in one order and to pass
over those of other partitions; when that are too many, the heads have their turn after all. So five hundred lanes
cost about what one costs, and what a caller may not take costs it no more than `MOST_PASSED_OVER` rows.
"""

from __future__ import annotations

import heapq
import itertools
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from types import MappingProxyType
from typing import overload

from chalicelib.core.ports import Item, Onward, with_the_next
from chalicelib.store.cursors import Place
from chalicelib.store.rows import Row, Rows, decode_body

MOST_PAGES = 100
"""Whoever looks says itself when it has seen enough."""
FEW = 4
"""Partitions that are merged by their heads in any case."""
MOST_PASSED_OVER = 100
NOTHING_BEYOND: Mapping[str, str] = MappingProxyType({})


class Candidates(Sequence[Item]):
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
            return Candidates(self._rows[position])
        row = self._rows[position]
        if position not in self._items:
            self._items[position] = decode_body(row[3])
        return self._items[position]


def candidates(
    rows: Rows,
    connection: sqlite3.Connection,
    index: str,
    pks: Sequence[str],
    page: int,
    onward: Onward = with_the_next,
) -> Generator[Candidates, None, None]:
    """Pages of all these partitions together, in one order by sort key."""
    look = _in_order if len(pks) > FEW and index in rows.ordered else _merged
    found = look(rows, connection, index, pks, page * MOST_PAGES)
    beyond: dict[str, str] = {}
    try:
        for _ in range(MOST_PAGES):
            these = Candidates(list(itertools.islice(found, page)))
            if not these:
                return
            yield these
            last = these[-1]
            if (key := onward(last)) is not None:
                found.close()
                beyond[last[f"{index}_pk"]] = key
                place = {field: last[field] for field in (f"{index}_sk", "pk", "sk")}
                found = _merged(rows, connection, index, pks, page * MOST_PAGES, place, beyond)
    finally:  # a statement left open would keep the writer's connection on an old state of the file
        found.close()


def _in_order(
    rows: Rows, connection: sqlite3.Connection, index: str, pks: Sequence[str], limit: int
) -> Generator[Row, None, None]:
    wanted, passed_over = frozenset(pks), 0
    with closing(rows.in_order(connection, index)) as entries:
        for partition, *row in entries:
            if partition in wanted:
                yield row[0], row[1], row[2], row[3]
            elif passed_over < MOST_PASSED_OVER:
                passed_over += 1
            else:
                last = {f"{index}_sk": row[0], "pk": row[1], "sk": row[2]}
                break
        else:
            return
    yield from _merged(rows, connection, index, pks, limit, last)


def _merged(
    rows: Rows,
    connection: sqlite3.Connection,
    index: str,
    pks: Sequence[str],
    limit: int,
    after: Place | None = None,
    beyond: Mapping[str, str] = NOTHING_BEYOND,
) -> Generator[Row, None, None]:
    """Behind `after`; of some partitions only from the sort key on that `beyond` says."""
    sort_field = f"{index}_sk"
    ahead = {pk: key for pk, key in beyond.items() if after is not None and key > after[sort_field]}
    heads = rows.heads(connection, index, [pk for pk in pks if pk not in ahead], after)
    for pk, key in ahead.items():
        heapq.heappush(heads, (key, pk))
    opened: list[tuple[Row, int, sqlite3.Cursor]] = []
    with ExitStack() as cursors_of_partitions:
        while heads or opened:
            while heads and (not opened or heads[0][0] <= opened[0][0][0]):
                _, pk = heapq.heappop(heads)
                place = {sort_field: ahead[pk], "pk": "", "sk": ""} if pk in ahead else after
                partition = rows.partition(connection, index, pk, after=place, limit=limit)
                cursors_of_partitions.callback(partition.close)
                if (first := partition.fetchone()) is not None:
                    heapq.heappush(opened, (first, len(heads), partition))
            if not opened:
                return  # what was left is empty
            row, number, partition = opened[0]
            following = partition.fetchone()
            if following is None:
                heapq.heappop(opened)
            else:
                heapq.heapreplace(opened, (following, number, partition))
            yield row
