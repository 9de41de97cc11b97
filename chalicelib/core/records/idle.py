"""Access pattern of how many workers idle: one item, put by the sweep, read by each process once a minute at most."""

from __future__ import annotations

from collections.abc import Mapping

from ..ports import Put, Table
from . import keys
from .statistics import FRESH_MS


class IdleRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def note(self, at: int, counts: Mapping[str, int]) -> None:
        """By kind of worker; the last of several processes counts."""
        key = keys.idle()
        self._table.write(Put({"pk": key.pk, "sk": key.sk, "at": at, "counts": dict(counts)}))

    def latest(self, now: int) -> Mapping[str, int]:
        """Empty where nobody has noted any for five minutes: then no sweep runs, and nobody knows."""
        item = self._table.get(keys.idle())
        return item["counts"] if item is not None and now - item["at"] <= FRESH_MS else {}
