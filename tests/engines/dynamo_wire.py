"""What `store/dynamo` writes in DynamoDB's language, read back into the values of the `Table` port.

Only the part of the language that the farm uses; all else is `Refused`, as DynamoDB refuses what is wrong: an alias
that is unknown or not used, an expression that is empty. Written from DynamoDB's reference, not from `store/dynamo`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.ports import Key, writes
from chalicelib.store.dynamo_expressions import from_wire, item_from_wire

Request = Mapping[str, Any]

_FUNCTION = re.compile(r"(attribute_exists|attribute_not_exists)\((\S+)\)")
_DIFFERS = re.compile(r"\(attribute_not_exists\((\S+)\) OR \1 <> (\S+)\)")
_CHOICES = re.compile(r"(\S+) IN \((.+)\)")
_COMPARED = re.compile(r"(\S+) (=|<=) (\S+)")
_RANGE = re.compile(r"(\S+) = (\S+)(?: AND (\S+) (?:BETWEEN (\S+) AND (\S+)|(<=|>=) (\S+)))?")
_CLAUSE = re.compile(r"(?:^| )(SET|REMOVE|ADD) ")


class Refused(Exception):
    """A ValidationException: the request itself is wrong."""


@dataclass(frozen=True)
class Range:
    pk_field: str
    pk: str
    sk_field: str | None
    first: str | None
    last: str | None


def operation(kind: str, request: Request) -> writes.Operation:
    """One member of a transaction, or one write by itself, where `kind` is Put, Update, Delete or ConditionCheck."""
    aliases = _Aliases(request)
    when = tuple(_conditions(aliases, request))
    read: writes.Operation
    match kind:
        case "Put":
            read = writes.Put(item_from_wire(request["Item"]), when)
        case "Update":
            read = writes.Update(key(request["Key"]), tuple(_changes(aliases, request["UpdateExpression"])), when)
        case "Delete":
            read = writes.Delete(key(request["Key"]), when)
        case _:
            read = writes.Check(key(request["Key"]), when)
    aliases.all_used()
    return read


def key(wire: Mapping[str, Any]) -> Key:
    if set(wire) != {"pk", "sk"}:
        raise Refused("The provided key element does not match the schema")
    return Key(from_wire(wire["pk"]), from_wire(wire["sk"]))


def key_range(request: Request) -> Range:
    aliases = _Aliases(request)
    found = _RANGE.fullmatch(request["KeyConditionExpression"])
    if found is None:
        raise Refused(f"Invalid KeyConditionExpression: {request['KeyConditionExpression']}")
    pk, pk_value, sk, low, high, comparison, bound = found.groups()
    first = low or (bound if comparison == ">=" else None)
    last = high or (bound if comparison == "<=" else None)
    read = Range(
        aliases.field(pk),
        aliases.value(pk_value),
        sk and aliases.field(sk),
        first and aliases.value(first),
        last and aliases.value(last),
    )
    aliases.all_used()
    if read.first is not None and read.last is not None and read.first > read.last:
        raise Refused("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
    return read


class _Aliases:
    def __init__(self, request: Request) -> None:
        self._known = {**request.get("ExpressionAttributeNames", {}), **request.get("ExpressionAttributeValues", {})}
        self._used: set[str] = set()

    def field(self, alias: str) -> str:
        return str(self._look_up(alias, "#"))

    def value(self, alias: str) -> Any:
        return from_wire(self._look_up(alias, ":"))

    def _look_up(self, alias: str, mark: str) -> Any:
        if not alias.startswith(mark) or alias not in self._known:
            raise Refused(f"An expression uses {alias}, which is not defined")
        self._used.add(alias)
        return self._known[alias]

    def all_used(self) -> None:
        if unused := set(self._known) - self._used:
            raise Refused(f"Value or name provided but not used in expressions: {sorted(unused)}")


def _conditions(aliases: _Aliases, request: Request) -> Iterator[writes.Condition]:
    for text in request["ConditionExpression"].split(" AND ") if "ConditionExpression" in request else ():
        if found := _FUNCTION.fullmatch(text):
            field, there = aliases.field(found[2]), found[1] == "attribute_exists"
            if there and field != "pk":
                raise Refused(f"not understood here: {text}")
            yield writes.Exists() if there else writes.Absent() if field == "pk" else writes.Missing(field)
        elif found := _DIFFERS.fullmatch(text):
            yield writes.Differs(aliases.field(found[1]), aliases.value(found[2]))
        elif found := _CHOICES.fullmatch(text):
            yield writes.OneOf(aliases.field(found[1]), tuple(aliases.value(each) for each in found[2].split(", ")))
        elif found := _COMPARED.fullmatch(text):
            kind = writes.Equals if found[2] == "=" else writes.AtMost
            yield kind(aliases.field(found[1]), aliases.value(found[3]))
        else:
            raise Refused(f"Invalid ConditionExpression: {text}")


def _changes(aliases: _Aliases, expression: str) -> Iterator[writes.Change]:
    before, *parts = _CLAUSE.split(expression)
    clauses = parts[::2]
    if before or not parts or len(set(clauses)) < len(clauses):
        raise Refused(f"Invalid UpdateExpression: {expression}")
    for clause, members in zip(clauses, parts[1::2], strict=True):
        for text in members.split(", "):
            yield _change(aliases, clause, text)


def _change(aliases: _Aliases, clause: str, text: str) -> writes.Change:
    match clause, text.split(" "):
        case "SET", [field, "=", value]:
            return writes.Set(aliases.field(field), aliases.value(value))
        case "REMOVE", [field]:
            return writes.Remove(aliases.field(field))
        case "ADD", [field, value]:
            added = aliases.value(value)
            return (writes.Include if isinstance(added, frozenset) else writes.Add)(aliases.field(field), added)
    raise Refused(f"Invalid UpdateExpression: {clause} {text}")
