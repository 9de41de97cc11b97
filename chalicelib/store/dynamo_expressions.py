"""Conditions and changes as DynamoDB's expressions, and values in its wire format. Pure; used by `dynamo.py`.

Every field is named by an alias that shows it (`#status`), every value by one that is numbered (`:1`), so an
expression in a log can be read: `#status = :1 AND #generation = :2`. No field is ever spelled into an expression,
because five hundred words are reserved and ours may become so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.core.ports import Item, Key, Value, writes

WireValue = dict[str, Any]
"""One entry: the kind of the value, such as `S` or `N`, and the value as DynamoDB spells it."""


class Expressions:
    """Collects the aliases of one request while its expressions are written."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, WireValue] = {}

    def name(self, field: str) -> str:
        """The alias of a field: its own name where that is plain, a number otherwise."""
        for alias, known in self._names.items():
            if known == field:
                return alias
        plain = re.fullmatch(r"[A-Za-z0-9_]{1,200}", field) is not None
        alias = f"#{field}" if plain and f"#{field}" not in self._names else f"#{len(self._names)}_"
        self._names[alias] = field
        return alias

    def value(self, value: Value) -> str:
        alias = f":{len(self._values) + 1}"
        self._values[alias] = to_wire(value)
        return alias

    def condition(self, conditions: Iterable[writes.Condition]) -> str:
        return " AND ".join(self._one_condition(condition) for condition in conditions)

    def changes(self, changes: Iterable[writes.Change]) -> str:
        clauses: dict[str, list[str]] = {}
        for change in changes:
            clause, text = self._one_change(change)
            clauses.setdefault(clause, []).append(text)
        return " ".join(f"{clause} {', '.join(texts)}" for clause, texts in clauses.items())

    def arguments(self) -> dict[str, Any]:
        """The aliases, as arguments of the request; absent when empty, which DynamoDB demands."""
        found: dict[str, Any] = {}
        if self._names:
            found["ExpressionAttributeNames"] = self._names
        if self._values:
            found["ExpressionAttributeValues"] = self._values
        return found

    def _one_condition(self, condition: writes.Condition) -> str:
        match condition:
            case writes.Exists():
                return f"attribute_exists({self.name('pk')})"
            case writes.Absent():
                return f"attribute_not_exists({self.name('pk')})"
            case writes.Missing(field):
                return f"attribute_not_exists({self.name(field)})"
            case writes.Equals(field, value):
                return f"{self.name(field)} = {self.value(value)}"
            case writes.Differs(field, value):
                name = self.name(field)
                return f"(attribute_not_exists({name}) OR {name} <> {self.value(value)})"
            case writes.OneOf(field, values):
                return f"{self.name(field)} IN ({', '.join(self.value(value) for value in values)})"
            case writes.AtMost(field, value):
                return f"{self.name(field)} <= {self.value(value)}"

    def _one_change(self, change: writes.Change) -> tuple[str, str]:
        match change:
            case writes.Set(field, value):
                return "SET", f"{self.name(field)} = {self.value(value)}"
            case writes.Remove(field):
                return "REMOVE", self.name(field)
            case writes.Add(field, amount):
                return "ADD", f"{self.name(field)} {self.value(amount)}"
            case writes.Include(field, members):
                return "ADD", f"{self.name(field)} {self.value(members)}"


def to_wire(value: Value) -> WireValue:
    """The value in DynamoDB's format. It has passed `checks.py`."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, frozenset):
        return {"NS": [str(member) for member in sorted(value)]}
    if isinstance(value, Mapping):
        return {"M": {name: to_wire(inner) for name, inner in value.items()}}
    return {"L": [to_wire(inner) for inner in value]}


def from_wire(value: Mapping[str, Any]) -> Value:
    """The value in our types. Other kinds (binary, decimals) were not written by us: ValueError."""
    [(kind, inner)] = value.items()
    match kind:
        case "NULL":
            return None
        case "BOOL" | "S":
            return inner
        case "N":
            return int(inner)
        case "NS":
            return frozenset(int(member) for member in inner)
        case "M":
            return {name: from_wire(each) for name, each in inner.items()}
        case "L":
            return [from_wire(each) for each in inner]
    raise ValueError(f"the table holds a value of kind {kind}, which the farm never writes")


def item_to_wire(item: Item) -> dict[str, WireValue]:
    return {field: to_wire(value) for field, value in item.items()}


def item_from_wire(item: Mapping[str, Mapping[str, Any]]) -> Item:
    return {field: from_wire(value) for field, value in item.items()}


def key_to_wire(key: Key) -> dict[str, WireValue]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
