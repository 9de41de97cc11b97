"""Items as rows of the SQLite file: layout, body format and the statements that read and write one row.

A row is the item's key, one pair of key columns per index (NULL when the item is not in it; the index is partial, so
it holds only what stands in it) and the whole item as JSON. Number sets, which JSON has not, stand under the empty
field name, which no item can have.
"""

from __future__ import annotations

import heapq
import re
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson

from chalicelib.core.ports import Item, Key
from chalicelib.store.checks import MAX_ITEM_BYTES, check_size
from chalicelib.store.cursors import Place, key_fields

Row = tuple[str, str, str, bytes]
"""Sort key of the index, pk, sk, body: sorts as the index does."""

Statement = tuple[str, tuple[Any, ...]]

_SETS = ""
_INDEX_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")


def encode_body(item: Item) -> bytes:
    sets = {field: sorted(value) for field, value in item.items() if value.__class__ is frozenset}
    if not sets:
        return orjson.dumps(item)
    plain = {field: value for field, value in item.items() if field not in sets}
    return orjson.dumps({**plain, _SETS: sets})


def decode_body(body: bytes) -> Item:
    item: dict[str, Any] = orjson.loads(body)
    for field, members in item.pop(_SETS, {}).items():
        item[field] = frozenset(members)
    return item


class Rows:
    """The statements for one set of indexes."""

    def __init__(self, indexes: Iterable[str], ordered: Collection[str] = ()) -> None:
        """`ordered`: those of the indexes that can also be read in one order through all their partitions."""
        self.names = tuple(indexes)
        self.ordered = frozenset(ordered)
        for name in self.names:
            if not _INDEX_NAME.match(name):
                raise ValueError(f"index name {name!r} must be letters and digits, starting with a letter")
        self._columns = tuple(column for name in self.names for column in (f"{name}_pk", f"{name}_sk"))
        every = ("pk", "sk", "body", *self._columns)
        self._insert = f"INSERT INTO items ({', '.join(every)}) VALUES ({', '.join('?' * len(every))})"
        self._move = f"UPDATE items SET {', '.join(f'{column} = ?' for column in every[2:])} WHERE pk = ? AND sk = ?"

    def create(self, connection: sqlite3.Connection) -> None:
        """Bring the file to this layout; an index that the file does not know yet is filled from the bodies."""
        connection.execute(
            "CREATE TABLE IF NOT EXISTS items (pk TEXT NOT NULL, sk TEXT NOT NULL, body BLOB NOT NULL, "
            "PRIMARY KEY (pk, sk)) WITHOUT ROWID"
        )
        present = {row[1] for row in connection.execute("PRAGMA table_info(items)")}
        for name in self.names:
            for column in (f"{name}_pk", f"{name}_sk"):
                if column not in present:
                    connection.execute(f"ALTER TABLE items ADD COLUMN {column} TEXT")
                    connection.execute(f"UPDATE items SET {column} = json_extract(CAST(body AS TEXT), '$.{column}')")
            connection.execute(
                f"CREATE INDEX IF NOT EXISTS items_by_{name} ON items ({name}_pk, {name}_sk, pk, sk) "
                f"WHERE {name}_pk IS NOT NULL"
            )
            if name in self.ordered:
                connection.execute(
                    f"CREATE INDEX IF NOT EXISTS items_in_order_of_{name} ON items ({name}_sk, pk, sk, {name}_pk) "
                    f"WHERE {name}_pk IS NOT NULL"
                )

    def read(self, connection: sqlite3.Connection, key: Key) -> Item | None:
        row = connection.execute("SELECT body FROM items WHERE pk = ? AND sk = ?", key).fetchone()
        return None if row is None else decode_body(row[0])

    def in_order(self, connection: sqlite3.Connection, index: str) -> sqlite3.Cursor:
        """Partition and `Row` of everything in an ordered index, best first, read as they are asked for."""
        return connection.execute(
            f"SELECT {index}_pk, {index}_sk, pk, sk, body FROM items INDEXED BY items_in_order_of_{index} "
            f"WHERE {index}_pk IS NOT NULL ORDER BY {index}_sk, pk, sk"
        )

    def after(self, connection: sqlite3.Connection, key: Key, limit: int) -> list[Item]:
        """The items behind this key, in the order of the table."""
        statement = "SELECT body FROM items WHERE (pk, sk) > (?, ?) ORDER BY pk, sk LIMIT ?"
        return [decode_body(body) for (body,) in connection.execute(statement, (*key, limit))]

    def write(self, before: Item | None, after: Item | None) -> Statement:
        """What makes the row what `after` says; `before` is what it says now. Raises ValueError if it is too large."""
        if after is None:
            return "DELETE FROM items WHERE pk = ? AND sk = ?", (before["pk"], before["sk"]) if before else ("", "")
        body = encode_body(after)
        if len(body) * 2 > MAX_ITEM_BYTES:
            check_size(after)
        key, columns = (after["pk"], after["sk"]), self._index_keys(after)
        if before is None:
            return self._insert, (*key, body, *columns)
        if columns == self._index_keys(before):
            # Naming no indexed column spares SQLite the look at every index.
            return "UPDATE items SET body = ? WHERE pk = ? AND sk = ?", (body, *key)
        return self._move, (body, *columns, *key)

    def _index_keys(self, item: Item) -> tuple[str | None, ...]:
        return tuple(map(item.get, self._columns))

    def heads(
        self, connection: sqlite3.Connection, index: str, pks: Sequence[str], after: Place | None = None
    ) -> list[tuple[str, str]]:
        """First sort key and name of each of these partitions that is not empty beyond `after`, as a heap."""
        if len(pks) == 1:
            return [("", pks[0])]
        pk_field, *order = key_fields(index)
        beyond = f" AND ({', '.join(order)}) > ({', '.join('?' * len(order))})" if after is not None else ""
        first = f"SELECT {order[0]} FROM items WHERE {pk_field} = value{beyond} ORDER BY {', '.join(order)} LIMIT 1"
        found = connection.execute(
            f"SELECT ({first}) AS head, value FROM json_each(?)",
            (*((after[field] for field in order) if after is not None else ()), orjson.dumps(pks).decode()),
        )
        heads = [(head, pk) for head, pk in found if head is not None]
        heapq.heapify(heads)
        return heads

    def partition(
        self,
        connection: sqlite3.Connection,
        index: str | None,
        pk: str,
        *,
        first: str | None = None,
        last: str | None = None,
        after: Place | None = None,
        descending: bool = False,
        limit: int = -1,
    ) -> sqlite3.Cursor:
        """`Row`s of one partition in sort-key order, read as they are asked for."""
        pk_field, *order = key_fields(index)
        wanted, values = [f"{pk_field} = ?"], [pk]
        for bound, operator in ((first, ">="), (last, "<=")):
            if bound is not None:
                wanted.append(f"{order[0]} {operator} ?")
                values.append(bound)
        if after is not None:
            wanted.append(f"({', '.join(order)}) {'<' if descending else '>'} ({', '.join('?' * len(order))})")
            values.extend(after[field] for field in order)
        direction = " DESC" if descending else ""
        statement = (
            f"SELECT {order[0]}, pk, sk, body FROM items WHERE {' AND '.join(wanted)} "
            f"ORDER BY {', '.join(field + direction for field in order)} LIMIT ?"
        )
        return connection.execute(statement, (*values, limit))
