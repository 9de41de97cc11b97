"""What a room remembers that the farm has no noun for: ids that others chose, what a worker said about itself.

A note is one value of JSON under (room, name); the core never looks inside. It is changed as a whole, conditional on
its version, so that two calls at the same moment lose nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Unavailable
from ..ports import Absent, Condition, ConditionFailed, Delete, Equals, Key, Put, Table
from . import keys
from .fields import from_json, to_json
from .paging import pages

Fields = Mapping[str, Any]
TRIES = 10
"""Changes of one note at the same moment."""


@dataclass(frozen=True)
class Note:
    fields: Fields
    version: int


class Notes:
    """The notes of one room."""

    def __init__(self, table: Table, room: str) -> None:
        self._table = table
        self._room = room

    def get(self, name: str) -> Fields | None:
        note = self._note(name)
        return None if note is None else note.fields

    def add(self, name: str, fields: Fields) -> Fields:
        """Put-if-absent; what is there afterwards, whoever wrote it."""
        if self._put(name, fields, 1, Absent()):
            return fields
        found = self.get(name)
        return fields if found is None else found

    def change(self, name: str, change: Callable[[Fields], Fields | None]) -> Fields:
        """Make of what is there (nothing at all is an empty note) what `change` says, or leave it (None).

        `change` may be called again when others are faster. Raises Unavailable when they always are.
        """
        for _ in range(TRIES):
            note = self._note(name)
            wanted = change({} if note is None else note.fields)
            if wanted is None:
                return {} if note is None else note.fields
            condition = Absent() if note is None else Equals("version", note.version)
            if self._put(name, wanted, 1 if note is None else note.version + 1, condition):
                return wanted
        raise Unavailable(f"{name} keeps changing; try again")

    def delete(self, name: str) -> None:
        self._table.write(Delete(keys.note(self._room, name)))

    def names(self, start: str) -> Iterator[str]:
        """Of all notes of this room whose names begin so, in their order. New ones may be missing where indexes lag."""
        first, own = f"{self._room}#{start}", keys.note(self._room, "").pk
        for entry in pages(self._table, keys.listing_pk("notes"), index="listing", first=first, last=first + "~"):
            yield entry["pk"].removeprefix(own)

    def _note(self, name: str) -> Note | None:
        item = self._table.get(keys.note(self._room, name))
        return None if item is None else Note(from_json(item["fields"]), item["version"])

    def _put(self, name: str, fields: Fields, version: int, condition: Condition) -> bool:
        key = keys.note(self._room, name)
        listed = {"listing_pk": keys.listing_pk("notes"), "listing_sk": f"{self._room}#{name}"}
        item = {"pk": key.pk, "sk": key.sk, "fields": to_json(fields), "version": version, "form": 1, **listed}
        try:
            self._table.write(Put(item, (condition,)))
        except ConditionFailed:
            return False
        return True


def all_notes(table: Table) -> Iterator[Fields]:
    """Of all rooms. Notes written a moment ago may be missing where indexes lag."""
    for entry in pages(table, keys.listing_pk("notes"), index="listing"):
        item = table.get(Key(entry["pk"], entry["sk"]))
        if item is not None:
            yield from_json(item["fields"])
