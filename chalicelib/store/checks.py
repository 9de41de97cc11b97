"""What may be written: looked at in the caller's thread, before any engine does anything.

Every engine passes its input through here, so that a value which only one of them would refuse (a float, an empty
index key, one item twice in a transaction) is refused by all, with the same `ValueError`, and nothing is changed.
Limits are DynamoDB's, and 64 bits for integers because that is what JSON and SQLite carry unharmed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from chalicelib.core.ports import Item, Key, Value, writes

Indexes = Mapping[str, tuple[str, ...]]
"""Index name -> the fields an index read gives besides pk, sk and the index's own two keys."""

MAX_ITEM_BYTES = 400 * 1024
MAX_OPERATIONS = 100
MAX_CHOICES = 100
MAX_DEPTH = 30
MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024
MAX_INTEGER = 2**63 - 1


def check_transaction(operations: Sequence[writes.Operation], indexes: Indexes) -> list[writes.Operation]:
    """The operations with plain values (tuples as lists, enum members as their text). ValueError if one is wrong."""
    if len(operations) > MAX_OPERATIONS:
        raise ValueError(f"a transaction holds at most {MAX_OPERATIONS} operations, not {len(operations)}")
    cleaned = [check_operation(operation, indexes) for operation in operations]
    if len(cleaned) > 1 and len({operation.key for operation in cleaned}) < len(cleaned):
        raise ValueError("an item may appear only once in a transaction")
    return cleaned


def check_operation(operation: writes.Operation, indexes: Indexes) -> writes.Operation:
    match operation:
        case writes.Put(item, when):
            return writes.Put(check_item(item, indexes), _conditions(when))
        case writes.Update():
            return check_update(operation, indexes)
        case writes.Delete(key, when):
            return writes.Delete(check_key(key), _conditions(when))
        case writes.Check(key, when):
            if not when:
                raise ValueError("a check needs at least one condition")
            return writes.Check(check_key(key), _conditions(when))


def check_update(update: writes.Update, indexes: Indexes) -> writes.Update:
    fields = [change.field for change in update.changes]
    if not fields:
        raise ValueError("an update needs at least one change")
    if len(set(fields)) < len(fields):
        raise ValueError(f"an update names each field once, not {sorted(fields)}")
    if "pk" in fields or "sk" in fields:
        raise ValueError("the key of an item cannot be changed: put a new item and delete the old one")
    changes = tuple(_change(change, indexes) for change in update.changes)
    return writes.Update(check_key(update.key), changes, _conditions(update.when), update.signed)


def check_item(item: Item, indexes: Indexes) -> Item:
    """The item with plain values and without empty number sets."""
    whole = {}
    for field, value in item.items():
        cleaned = clean(value, _field_name(field), top=True)
        if cleaned.__class__ is not frozenset or cleaned:
            whole[field] = cleaned
    for field, limit in (("pk", MAX_PARTITION_KEY_BYTES), ("sk", MAX_SORT_KEY_BYTES)):
        _key_text(field, whole.get(field), limit)
    check_index_keys(whole, indexes)
    check_size(whole)
    return whole


def check_index_keys(item: Item, indexes: Indexes) -> None:
    """An item stands in an index with both of its keys or with none; one alone would silently be in no index."""
    for pk, sk in _index_fields(tuple(indexes)):
        if pk in item or sk in item:
            _key_text(pk, item.get(pk), MAX_PARTITION_KEY_BYTES)
            _key_text(sk, item.get(sk), MAX_SORT_KEY_BYTES)


@functools.lru_cache
def _index_fields(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"{name}_pk", f"{name}_sk") for name in names]


def check_key(key: Key) -> Key:
    pk = _key_text("pk", clean(key.pk, "pk"), MAX_PARTITION_KEY_BYTES)
    return Key(pk, _key_text("sk", clean(key.sk, "sk"), MAX_SORT_KEY_BYTES))


def check_query(pk: str, index: str | None, limit: int, indexes: Indexes) -> None:
    _key_text("pk" if index is None else f"{index}_pk", clean(pk, "pk"), MAX_PARTITION_KEY_BYTES)
    if index is not None and index not in indexes:
        raise ValueError(f"there is no index {index!r}, only {sorted(indexes)}")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"a page must have room for at least one item, not {limit!r}")


@functools.lru_cache(maxsize=512)  # a worker asks for the same partitions each time
def check_partitions(pks: tuple[str, ...]) -> tuple[str, ...]:
    """Partitions of an index, each once."""
    return tuple(dict.fromkeys(_key_text("pk", clean(pk, "pk"), MAX_PARTITION_KEY_BYTES) for pk in pks))


def check_size(item: Item) -> None:
    if _at_most_bytes(item) <= MAX_ITEM_BYTES:
        return
    size = item_bytes(item)
    if size > MAX_ITEM_BYTES:
        raise ValueError(f"item {item['pk']!r} {item['sk']!r} has {size} bytes; at most {MAX_ITEM_BYTES} fit")


def item_bytes(item: Item) -> int:
    """The size DynamoDB bills and limits, to within a few bytes per number."""
    return sum(len(field.encode()) + _value_bytes(value) for field, value in item.items())


def _at_most_bytes(item: Item) -> int:
    """A bound that is quick to compute; nearly every item is far below the limit."""
    most = 64 * len(item)
    for field, value in item.items():
        kind = value.__class__
        most += 4 * len(field) + (4 * len(value) if kind is str else 0 if kind is int else _value_bytes(value))
    return most


def _value_bytes(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return len(str(abs(value))) // 2 + 2
    if isinstance(value, dict):
        return 3 + sum(1 + len(name.encode()) + _value_bytes(inner) for name, inner in value.items())
    return 3 + sum(1 + _value_bytes(inner) for inner in value)


def clean(value: Value, field: str, *, depth: int = 0, top: bool = False) -> Value:
    """A plain copy of the value: str, int, bool, None, list, dict, or (as a whole field) frozenset of int."""
    kind = value.__class__
    if kind is str and value.isascii():
        return value
    if kind is int and -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    if value is None or kind is bool:
        return value
    if isinstance(value, str):
        return _text(value, field)
    if isinstance(value, int):
        return _integer(value, field)
    if depth >= MAX_DEPTH:
        raise ValueError(f"field {field!r} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, (list, tuple)):
        return [clean(inner, field, depth=depth + 1) for inner in value]
    if isinstance(value, Mapping):
        return {_field_name(name): clean(inner, field, depth=depth + 1) for name, inner in value.items()}
    if isinstance(value, (frozenset, set)) and top:
        return _number_set(value, field)
    raise ValueError(f"field {field!r} holds a {type(value).__name__}: {_ALLOWED}")


_ALLOWED = "only str, int, bool, None, lists and dicts of these, and sets of int as a whole field can be stored"


def _text(value: str, field: str) -> str:
    plain = str.__str__(value)
    if not plain.isascii():
        try:
            plain.encode()
        except UnicodeEncodeError:
            raise ValueError(f"field {field!r} holds text with half of a surrogate pair") from None
    return plain


def _integer(value: int, field: str) -> int:
    if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
        raise ValueError(f"field {field!r} holds {value}, which does not fit into 64 bits")
    return int(value)


def _number_set(members: frozenset[Value] | set[Value], field: str) -> frozenset[int]:
    for member in members:
        if not isinstance(member, int) or isinstance(member, bool):
            raise ValueError(f"field {field!r} holds a set with a {type(member).__name__}: sets are of int only")
    return frozenset(_integer(member, field) for member in members)


def _field_name(name: Value) -> str:
    if name.__class__ is str and name and name.isascii():
        return name
    if not isinstance(name, str) or not name:
        raise ValueError(f"a field name must be text and not empty, not {name!r}")
    return _text(name, name)


def _key_text(field: str, value: Value, limit: int) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"key field {field!r} must be text and not empty, not {value!r}")
    if len(value) * 4 > limit and len(value.encode()) > limit:
        raise ValueError(f"key field {field!r} has more than {limit} bytes")
    return value


def _change(change: writes.Change, indexes: Indexes) -> writes.Change:
    _field_name(change.field)
    match change:
        case writes.Set(field, value):
            cleaned = clean(value, field, top=True)
            if field[-3:] in ("_pk", "_sk") and field[:-3] in indexes:
                _key_text(field, cleaned, MAX_PARTITION_KEY_BYTES if field.endswith("_pk") else MAX_SORT_KEY_BYTES)
            if cleaned is value:
                return change
            is_empty_set = cleaned.__class__ is frozenset and not cleaned
            return writes.Remove(field) if is_empty_set else writes.Set(field, cleaned)
        case writes.Add(field, amount):
            if isinstance(amount, bool) or not isinstance(amount, int):
                raise ValueError(f"field {field!r} can only grow by an int, not by {amount!r}")
            return writes.Add(field, _integer(amount, field))
        case writes.Include(field, members):
            if not members:
                raise ValueError(f"field {field!r} must gain at least one member")
            return writes.Include(field, _number_set(members, field))
        case writes.Remove():
            return change


def _conditions(when: tuple[writes.Condition, ...]) -> tuple[writes.Condition, ...]:
    return tuple(_condition(condition) for condition in when)


def _condition(condition: writes.Condition) -> writes.Condition:
    match condition:
        case writes.Exists() | writes.Absent():
            return condition
        case writes.Missing(field):
            _field_name(field)
            return condition
        case writes.OneOf(field, values):
            if not 1 <= len(values) <= MAX_CHOICES:
                raise ValueError(f"field {field!r} can be one of 1 to {MAX_CHOICES} values, not {len(values)}")
            return writes.OneOf(_field_name(field), tuple(_compared(value, field) for value in values))
        case writes.Equals(field, value) | writes.Differs(field, value):
            return type(condition)(_field_name(field), _compared(value, field))
        case writes.AtMost(field, value):
            if isinstance(value, bool) or not isinstance(value, (int, str)):
                raise ValueError(f"field {field!r} can only be compared with an int or a text, not {value!r}")
            return writes.AtMost(_field_name(field), _compared(value, field))


def _compared(value: Value, field: str) -> Value:
    cleaned = clean(value, field, top=True)
    if cleaned.__class__ is frozenset and not cleaned:
        raise ValueError(f"field {field!r} can never be an empty set, which is not stored: use Missing")
    return cleaned
