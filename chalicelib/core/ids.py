"""Ids: 53-bit integers, 31 bits of seconds since 2020 and 22 bits of a per-second sequence.

Unique by construction, in rough order of time, exact in JavaScript. A block of n ids comes from one table request
(`Add` on the second's counter; a repeated request only wastes numbers). Small needs share a block of 32, valid within
its second, so that ids keep their order.
"""

from __future__ import annotations

import threading

from .errors import NotFound
from .ports import Add, Clock, Set, Table, Update
from .records.keys import COUNTER_SECONDS, IDS_SINCE, id_counter

EPOCH_SECONDS = IDS_SINCE
SEQUENCE_BITS = 22
PER_SECOND = 1 << SEQUENCE_BITS
LARGEST = (1 << 53) - 1
SMALL_BLOCK = 32
TEXT = r"^[1-9][0-9]{0,15}$"
"""An id in JSON."""


def made_at(number: int) -> int:
    """When an id was made, in milliseconds since 1970, to the second."""
    return (EPOCH_SECONDS + (number >> SEQUENCE_BITS)) * 1000


def first_of(at: int) -> int:
    """No id made in this second or later is below it. `at`: milliseconds since 1970."""
    return max(0, at // 1000 - EPOCH_SECONDS) << SEQUENCE_BITS


def parse_id(text: object, noun: str = "id") -> int:
    """The id in a decimal string. Anything that is no id we could have made names nothing: NotFound."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 16 and 0 < int(text) <= LARGEST:
        return int(text)
    raise NotFound(f"no such {noun}: {str(text)[:40]!r} (ids are decimal numbers)")


class IdSource:
    """Hands out ids. Safe between threads; any number of processes may share the table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._lock = threading.Lock()
        self._second = 0
        self._next = 0
        self._end = 0

    def block(self, count: int) -> int:
        """The first of `count` consecutive new ids."""
        if not 1 <= count <= PER_SECOND:
            raise ValueError(f"a block has 1 to {PER_SECOND} ids, not {count}")
        with self._lock:
            second = self._clock.now() // 1000 - EPOCH_SECONDS
            if count > SMALL_BLOCK:
                return self._fetch(second, count)
            if self._second != second or self._next + count > self._end:
                self._next = self._fetch(second, SMALL_BLOCK)
                self._end, self._second = self._next + SMALL_BLOCK, second
            first = self._next
            self._next += count
            return first

    def one(self) -> int:
        return self.block(1)

    def _fetch(self, second: int, count: int) -> int:
        while True:
            expires_at = EPOCH_SECONDS + second + COUNTER_SECONDS
            changes = (Add("next", count), Set("expires_at", expires_at))
            counter = self._table.update(Update(id_counter(second), changes))
            end = int(counter["next"])
            if end <= PER_SECOND:
                return (second << SEQUENCE_BITS) + end - count
            second += 1  # this second is used up: borrow from the next
