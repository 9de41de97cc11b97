"""Conditions and changes applied to plain items: what DynamoDB does with expressions, for the other engines.

Pure. Called by the SQLite engine inside its writer and by the simulated one. Input has passed `checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.core.ports import Item, Value, writes
from chalicelib.store.checks import Indexes, check_index_keys


def holds(condition: writes.Condition, item: Item | None) -> bool:
    """Whether the condition is true of the item (None: there is no such item)."""
    match condition:
        case writes.Exists():
            return item is not None
        case writes.Absent():
            return item is None
        case writes.Missing(field):
            return item is None or field not in item
        case writes.Differs(field, value):
            return item is None or field not in item or not same(item[field], value)
        case writes.Equals(field, value):
            return item is not None and field in item and same(item[field], value)
        case writes.OneOf(field, values):
            return item is not None and field in item and any(same(item[field], value) for value in values)
        case writes.AtMost(field, value):
            return item is not None and field in item and _at_most(item[field], value)


def all_hold(conditions: Iterable[writes.Condition], item: Item | None) -> bool:
    return all(holds(condition, item) for condition in conditions)


def same(left: Value, right: Value) -> bool:
    """Equality that, as DynamoDB and unlike Python, knows 1 from True."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return type(left) is type(right) and bool(left == right)


def _at_most(value: Value, bound: Value) -> bool:
    # Python orders text by code point, which is the order of its UTF-8 bytes: DynamoDB's and SQLite's order too.
    return type(value) is type(bound) and bool(value <= bound)


def outcome(operation: writes.Operation, before: Item | None, indexes: Indexes) -> Item | None:
    """The item after the operation, None if it is gone. ValueError if a change does not fit the field it meets."""
    match operation:
        case writes.Put(item):
            return item
        case writes.Update(key, changes):
            after = apply(changes, before if before is not None else {"pk": key.pk, "sk": key.sk})
            if any(change.field[-3:] in ("_pk", "_sk") for change in changes):
                check_index_keys(after, indexes)
            return after
        case writes.Delete():
            return None
        case writes.Check():
            return before


def demand(operations: Iterable[writes.Operation], befores: Iterable[Item | None]) -> None:
    """Raises ConditionFailed for the first operation whose conditions do not hold."""
    for position, (operation, before) in enumerate(zip(operations, befores, strict=True)):
        if not all_hold(operation.when, before):
            raise writes.ConditionFailed(position, before)


def apply(changes: Iterable[writes.Change], item: Item) -> Item:
    """A new item with the changes made; the old one is left as it is."""
    after = dict(item)
    for change in changes:
        match change:
            case writes.Set(field, value):
                after[field] = value
            case writes.Remove(field):
                after.pop(field, None)
            case writes.Add(field, amount):
                after[field] = _number(after.get(field, 0), field) + amount
            case writes.Include(field, members):
                after[field] = _members(after.get(field, frozenset()), field) | members
    return after


def is_done(update: writes.Update, item: Item | None) -> bool:
    """Whether the item is as the update leaves it. Of what it adds that can be told by the mark it leaves with it."""
    if item is None:
        return False
    if any(isinstance(change, writes.Add) for change in update.changes):
        return any(isinstance(one, writes.Differs) and not holds(one, item) for one in update.when)
    return apply(update.changes, item) == item


def _number(value: Value, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"field {field!r} is not a number, so nothing can be added to it")
    return value


def _members(value: Value, field: str) -> frozenset[int]:
    if not isinstance(value, frozenset):
        raise ValueError(f"field {field!r} is not a number set, so it cannot gain members")
    return value
