"""What may be asked of a table that changes it: operations on an item each, with conditions and changes; small values.

An engine makes expressions of them (`store/dynamo_expressions.py`) or applies them itself (`store/evaluate.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .items import Item, Key, Value

# ---- conditions: several together mean "and" -----------------------------------------------------------------------


@dataclass(frozen=True)
class Exists:
    """The item is there."""


@dataclass(frozen=True)
class Absent:
    """There is no such item (put-if-absent)."""


@dataclass(frozen=True)
class Equals:
    """The field is there and has this value."""

    field: str
    value: Value


@dataclass(frozen=True)
class OneOf:
    """The field is there and has one of these values (at least one, at most a hundred)."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class AtMost:
    """The field is there and is a number not above this one, or a string not after it."""

    field: str
    value: int | str


@dataclass(frozen=True)
class Missing:
    """The item may be there or not, but has no such field."""

    field: str


@dataclass(frozen=True)
class Differs:
    """The field has not this value: another, or the item has no such field, or there is no such item."""

    field: str
    value: Value


Condition = Exists | Absent | Equals | OneOf | AtMost | Missing | Differs


# ---- changes to one item -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Set:
    """The field gets this value. `None` is a value; use `Remove` to take the field away."""

    field: str
    value: Value


@dataclass(frozen=True)
class Remove:
    """The field goes away; nothing happens if it is not there."""

    field: str


@dataclass(frozen=True)
class Add:
    """The number grows by this much (from 0 if absent). Only where a repetition fails its condition or does no harm."""

    field: str
    amount: int


@dataclass(frozen=True)
class Include:
    """The number set gains these members (from the empty set if absent). Repeating it changes nothing."""

    field: str
    members: frozenset[int]


Change = Set | Remove | Add | Include


# ---- operations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Put:
    """Write the whole item; with `Absent()` in `when`, only if there is none."""

    item: Item
    when: tuple[Condition, ...] = ()

    @property
    def key(self) -> Key:
        return Key(self.item["pk"], self.item["sk"])


@dataclass(frozen=True)
class Update:
    """Change fields of one item. Without a condition on existence it creates the item. A field may appear once."""

    key: Key
    changes: tuple[Change, ...]
    when: tuple[Condition, ...] = ()
    signed: bool = False
    """It says in the item who made it and when, and nobody else's leaves the same: so a `take` that is refused by an
    item which is as this leaves it has met itself, sent again by the engine as its answer got lost. One that adds
    something sets a field to a value of its own, and asks that it `Differs` from that before."""


@dataclass(frozen=True)
class Delete:
    """Remove the item; nothing happens if there is none and no condition asks for it."""

    key: Key
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Check:
    """Inside a transaction only: change nothing, but let everything fail unless the conditions hold."""

    key: Key
    when: tuple[Condition, ...]


Operation = Put | Update | Delete | Check


class ConditionFailed(Exception):
    """A condition did not hold, so nothing of the transaction was written.

    `position` is the first operation that failed; `item` is what stood in the table then (None: no such item).
    """

    def __init__(self, position: int, item: Item | None) -> None:
        super().__init__(f"condition of operation {position} did not hold")
        self.position = position
        self.item = item


def failure_of(write: Callable[[], object]) -> ConditionFailed | None:
    """How a write fails that is one of many, each by itself: None if it does not. Other errors are raised."""
    try:
        write()
    except ConditionFailed as failure:
        return failure
    return None
