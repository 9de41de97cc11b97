"""Ids that others chose: an address, a number of another farm's, each standing for one id of ours.

An alias is put if absent, so of two calls at the same moment both get the id of the first. What a room wants to
remember of the thing lies beside it as small values (`notes`), each written by itself: the last writer of one wins.
All aliases of one (dialect, noun) can be listed, in order, and always as they are now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..errors import BadInput
from ..ports import Absent, ConditionFailed, Delete, Exists, Item, Put, Set, Table, Update
from . import keys
from .paging import pages

MOST_BYTES = 500
"""Of an external id; sort keys end at 1,024."""
_NOTE = "note_"

Small = str | int | bool


@dataclass(frozen=True)
class Alias:
    external: str
    id: int
    notes: Mapping[str, Small] = field(default_factory=dict)


class AliasRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, dialect: str, noun: str, external: str) -> Alias | None:
        if not _fits(external):
            return None
        item = self._table.get(keys.alias(dialect, noun, external))
        return None if item is None else _alias_from(item)

    def add(self, dialect: str, noun: str, external: str, number: int) -> Alias:
        """Let `external` stand for this id, if it stands for none yet; what it stands for then."""
        if not _fits(external):
            raise BadInput(f"an id of a {noun} has 1 to {MOST_BYTES} bytes")
        key = keys.alias(dialect, noun, external)
        item = {"pk": key.pk, "sk": key.sk, "external": external, "id": number}
        try:
            self._table.write(Put(item, (Absent(),)))
        except ConditionFailed as taken:
            return _alias_from(taken.item or item)
        return _alias_from(item)

    def note(self, dialect: str, noun: str, external: str, **notes: Small) -> Alias | None:
        """Remember these beside it; None if there is no such alias (any more)."""
        changes = tuple(Set(_NOTE + name, value) for name, value in notes.items())
        try:
            return _alias_from(self._table.update(Update(keys.alias(dialect, noun, external), changes, (Exists(),))))
        except ConditionFailed:
            return None

    def all(self, dialect: str, noun: str) -> Iterator[Alias]:
        return (_alias_from(item) for item in pages(self._table, keys.aliases(dialect, noun)))

    def remove(self, dialect: str, noun: str, external: str) -> None:
        self._table.write(Delete(keys.alias(dialect, noun, external)))


def _fits(external: str) -> bool:
    return 0 < len(external.encode("utf-8", "surrogatepass")) <= MOST_BYTES


def _alias_from(item: Item) -> Alias:
    notes = {name.removeprefix(_NOTE): value for name, value in item.items() if name.startswith(_NOTE)}
    return Alias(item["external"], item["id"], notes)
