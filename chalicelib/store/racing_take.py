"""`take` for tables that cannot look and move at once: read the head of an index, then try conditional updates.

Used by the DynamoDB engine and by the simulated one. The index lags, so its head holds items that are gone already
(about claims per second times the lag). Trying them in order livelocks; hence, from simulations of the queue:
a loss makes it read on behind the page, three losses end the call, and what this process lost or took within the last
seconds is passed over as long as the index still shows the same image of it. (So project a field that changes with
each round, such as the lease generation: an item put back to the letter is passed over for those seconds.)

Keeps no state worth keeping: a process that dies has moved an item or has not.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from chalicelib.core.ports import ConditionFailed, Item, Key, Onward, Page, Pick, Taken, Update, with_the_next
from chalicelib.store.evaluate import is_done

MAX_LOSSES = 3
MAX_FURTHER_PAGES = 2
"""Beyond pages of which something was tried."""
MAX_PAGES_IN_VAIN = 30
"""Beyond those of which the caller wanted nothing; it says itself when it has seen enough of them."""
MEMORY_SECONDS = 3.0


class ReadPage(Protocol):
    def __call__(self, pk: str, *, index: str, first: str | None, limit: int, cursor: str | None) -> Page: ...


class RacingTake:
    """Remembers recent losses, so one per process and table. `now` in seconds, any origin."""

    def __init__(
        self,
        read_page: ReadPage,
        update: Callable[[Update], Item],
        *,
        now: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._read_page = read_page
        self._update = update
        self._now = now
        self._chance = chance or random.Random()
        self._spent: dict[Key, tuple[float, Item]] = {}
        self._lost_at = float("-inf")
        self._guard = threading.Lock()

    def take(self, index: str, pks: Sequence[str], pick: Pick, page: int, onward: Onward = with_the_next) -> Taken:
        """The partitions in the order given; beyond their heads at most two pages, and thirty of no use; at most three
        lost races in all."""
        losses, further, in_vain = 0, MAX_FURTHER_PAGES, MAX_PAGES_IN_VAIN
        for pk in dict.fromkeys(pks):
            cursor = first = None
            while True:
                items, cursor = self._read_page(pk, index=index, first=first, limit=page, cursor=cursor)
                candidates, losses_before = self._arrange(items, f"{index}_sk"), losses
                seen = {_key(item): item for item in candidates}
                for update in pick(candidates):
                    if update is None:
                        return Taken((), losses > 0)
                    image = seen.get(update.key, {})
                    item = self._moved(update)
                    if item is not None:
                        if f"{index}_pk" not in item:  # what still stands there may be taken again at once
                            self._remember(update.key, image, lost=False)
                        return Taken((item,), False)
                    losses += 1
                    self._remember(update.key, image, lost=True)
                    if losses == MAX_LOSSES:
                        return Taken((), True)
                    if cursor is not None and further > 0:
                        break
                tried = losses > losses_before or len(candidates) < len(items)
                if cursor is None or (further if tried else in_vain) == 0:
                    break
                further, in_vain = (further - 1, in_vain) if tried else (further, in_vain - 1)
                if (first := onward(items[-1]) if items else None) is not None:
                    cursor = None
        return Taken((), losses > 0)

    def _moved(self, update: Update) -> Item | None:
        """The item after the update, None if somebody else was faster."""
        try:
            return self._update(update)
        except ConditionFailed as failed:
            # Called lost, it would be held by a worker that never hears of it, while this claim goes on to another.
            return failed.item if update.signed and is_done(update, failed.item) else None

    def _arrange(self, items: Sequence[Item], sort_field: str) -> list[Item]:
        """Without what is known to be gone; shuffled among equals while there is competition."""
        with self._guard:
            fresh = [item for item in items if not self._is_spent(item)]
            if self._now() - self._lost_at > MEMORY_SECONDS:
                return fresh
            groups = [list(group) for _, group in itertools.groupby(fresh, lambda item: _rank(item[sort_field]))]
            for group in groups:
                self._chance.shuffle(group)
            return list(itertools.chain.from_iterable(groups))

    def _is_spent(self, item: Item) -> bool:
        # The same image: an item that was released since has another generation, and may be taken at once.
        spent = self._spent.get(_key(item))
        return spent is not None and self._now() - spent[0] <= MEMORY_SECONDS and spent[1] == item

    def _remember(self, key: Key, image: Item, *, lost: bool) -> None:
        with self._guard:
            now = self._now()
            if lost:
                self._lost_at = now
            self._spent.pop(key, None)
            self._spent[key] = (now, image)
            # Oldest first: only the front can have expired.
            for old in list(itertools.takewhile(lambda k: now - self._spent[k][0] > MEMORY_SECONDS, self._spent)):
                del self._spent[old]


def _key(item: Item) -> Key:
    return Key(item["pk"], item["sk"])


def _rank(sort_key: str) -> str:
    """What orders candidates that matter differently; among equals any will do."""
    return sort_key.split("|", 1)[0]
