"""A simulated table with a stream: which items got a new status, in the order of their writes."""

from __future__ import annotations

from typing import Any

from chalicelib.core.ports import Item, Key
from tests.engines.simulated import SimulatedTable


class StreamedTable(SimulatedTable):
    """`changed` holds what the filter of the farm's stream lets through."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.changed: list[tuple[str, str]] = []

    def _store(self, key: Key, after: Item | None) -> None:
        before = self._items.get(key)
        if after is not None and after.get("status") not in (None, (before or {}).get("status")):
            self.changed.append((key.pk, key.sk))
        super()._store(key, after)
