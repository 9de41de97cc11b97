"""Variables of the farm: `{blender}` in a command's settings becomes what that is on the worker's platform.

Kept as one item, replaced as a whole; replaced in the copy that goes to a worker, never in the task.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import Changed
from .model import Json
from .ports import Absent, Clock, Condition, ConditionFailed, Equals, Item, Missing, Put, Table
from .records import keys

ONE_WAY, TWO_WAY = "oneway", "twoway"
CHANGED = "somebody has changed the variables since they were read; read them again, and make your change once more"
ALL, WORKERS, USERS = "all", "workers", "users"
_REFERENCE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Value:
    value: str
    audience: str = ALL
    platforms: tuple[str, ...] = ()
    """None means all."""


@dataclass(frozen=True)
class Variable:
    values: tuple[Value, ...]
    direction: str = ONE_WAY
    """`twoway`: values are turned back into the variable, by clients or by `path_mapping`; none ends with a slash."""


Variables = Mapping[str, Variable]


def read(table: Table) -> Variables:
    return _read(table.get(keys.variables()))


def _read(item: Item | None) -> Variables:
    return {} if item is None else {name: _variable(fields) for name, fields in item["variables"].items()}


def write(table: Table, variables: Variables, *, known: Collection[str] | None = None) -> None:
    """Replace them all. `known`: only if what there is has one of these tags; raises Changed otherwise."""
    key = keys.variables()
    fields = {name: _fields(variable) for name, variable in variables.items()}
    when: tuple[Condition, ...] = ()
    if known is not None:
        item = table.get(key)
        if tag(_read(item)) not in known:
            raise Changed(CHANGED)
        when = (_unchanged(item),)
    try:
        table.write(Put({"pk": key.pk, "sk": key.sk, "variables": fields, "tag": tag(variables)}, when))
    except ConditionFailed:
        # Sent again by the engine, as its answer got lost, it meets its own effect.
        if tag(read(table)) != tag(variables):
            raise Changed(CHANGED) from None


def tag(variables: Variables) -> str:
    """The same for the same variables, in whatever order."""
    fields = {name: _fields(variable) for name, variable in variables.items()}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:32]


def _unchanged(item: Item | None) -> Condition:
    """Between the look at it and the write nobody has written."""
    if item is None:
        return Absent()
    return Equals("tag", item["tag"]) if "tag" in item else Missing("tag")  # as earlier versions wrote it


def for_worker(variables: Variables, platform: str) -> Mapping[str, str]:
    """Name to text, for workers of this platform. What is said for workers wins over what is said for all, and what
    is said for the platform over what is said for every one."""
    found = {name: _best(variable, platform) for name, variable in variables.items()}
    return {name: text for name, text in found.items() if text is not None}


def replaced(commands: Sequence[Mapping[str, Json]], texts: Mapping[str, str]) -> list[dict[str, Json]]:
    """The commands with every reference in a string of `settings` replaced. Unknown names, other types and what is
    nested deeper stay; what a value says is not looked through again."""

    def shown(value: Json) -> Json:
        return filled_in(value, texts) if isinstance(value, str) else value

    return [
        {**command, "settings": {name: shown(value) for name, value in (command.get("settings") or {}).items()}}
        for command in commands
    ]


def filled_in(text: str, texts: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: texts.get(match[1], match[0]), text)


class VariableCache:
    """A process's picture of the variables, read again after a few seconds: handing out a task costs no request."""

    def __init__(self, table: Table, clock: Clock, fresh_seconds: float) -> None:
        self._table = table
        self._clock = clock
        self._fresh_ms = int(fresh_seconds * 1000)
        self._known: tuple[int, Variables] | None = None

    def read(self) -> Variables:
        known, now = self._known, self._clock.now()
        if known is None or not 0 <= now - known[0] < self._fresh_ms:
            known = self._known = now, read(self._table)
        return known[1]


def _best(variable: Variable, platform: str) -> str | None:
    fitting = [v for v in variable.values if v.audience in (ALL, WORKERS) and platform in (*v.platforms, platform)]
    fitting = [v for v in fitting if not v.platforms or platform in v.platforms]
    if not fitting:
        return None
    best = max(fitting, key=lambda v: (v.audience == WORKERS, bool(v.platforms)))
    return best.value.rstrip("/") if variable.direction == TWO_WAY else best.value


def _fields(variable: Variable) -> dict[str, Any]:
    values = [{"value": v.value, "audience": v.audience, "platforms": list(v.platforms)} for v in variable.values]
    return {"direction": variable.direction, "values": values}


def _variable(fields: Mapping[str, Any]) -> Variable:
    values = tuple(Value(v["value"], v["audience"], tuple(v["platforms"])) for v in fields["values"])
    return Variable(values, fields["direction"])
