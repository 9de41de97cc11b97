"""An index that hears of each write later, as DynamoDB's do: in order for one item, in any order between items."""

from __future__ import annotations

import heapq
import random
from collections.abc import Collection

from chalicelib.core.ports import Clock, Item, Key


class LaggingIndex:
    """The copy of one index. Called under the table's lock."""

    def __init__(
        self, name: str, fields: tuple[str, ...], lag_ms: tuple[int, int], clock: Clock, chance: random.Random
    ) -> None:
        self._keys = (f"{name}_pk", f"{name}_sk")
        self._fields = ("pk", "sk", *self._keys, *fields)
        self._lag_ms = lag_ms
        self._clock = clock
        self._chance = chance
        self._shown: dict[Key, Item] = {}
        self._coming: list[tuple[int, int, Key, Item | None]] = []
        self._sent = 0
        self._last_at: dict[Key, int] = {}

    def follow(self, key: Key, after: Item | None) -> None:
        """The base table has this item now; the index will show it some time later."""
        image = self._project(after)
        at = self._clock.now() + self._chance.randint(*self._lag_ms)
        at = self._last_at[key] = max(at, self._last_at.get(key, 0))
        self._sent += 1
        heapq.heappush(self._coming, (at, self._sent, key, image))

    def items(self) -> Collection[Item]:
        now = self._clock.now()
        while self._coming and self._coming[0][0] <= now:
            _, _, key, image = heapq.heappop(self._coming)
            if image is None:
                self._shown.pop(key, None)
            else:
                self._shown[key] = image
        return self._shown.values()

    def _project(self, item: Item | None) -> Item | None:
        if item is None or any(key not in item for key in self._keys):
            return None
        return {field: item[field] for field in self._fields if field in item}
