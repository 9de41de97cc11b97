"""The recorded exchanges of the native protocol, and a check that a message has the shape of a recorded one."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "contract" / "native"


def recorded(name: str) -> dict[str, Any]:
    exchange: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return exchange


def answer_like(name: str, **values: Any) -> dict[str, Any]:
    """The recorded answer with other values; a key that the recording lacks is a mistake in the test."""
    body: dict[str, Any] = copy.deepcopy(recorded(name)["response"]["body"])
    unknown = set(values) - set(body)
    assert not unknown, f"{name}: no such keys in the recording: {unknown}"
    return {**body, **values}


def difference(expected: Any, found: Any, where: str = "body") -> str | None:
    """How `found` departs from the shape of `expected`: same keys, same types; None is allowed where either has it."""
    if expected is None or found is None:
        return None
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return f"{where} is not an object"
        # `result` and `settings` are free JSON; an upload's headers are the object store's.
        if where.endswith((".result", ".settings", ".upload.headers")):
            return None
        if set(expected) != set(found):
            return f"{where} has keys {sorted(found)}, expected {sorted(expected)}"
        return next((d for key in expected if (d := difference(expected[key], found[key], f"{where}.{key}"))), None)
    if isinstance(expected, list):
        if not isinstance(found, list):
            return f"{where} is not a list"
        shapes = expected[:1]
        return next((d for one in found for shape in shapes if (d := difference(shape, one, f"{where}[]"))), None)
    number = isinstance(expected, (int, float)) and not isinstance(expected, bool)
    same = isinstance(found, (int, float)) and not isinstance(found, bool) if number else type(found) is type(expected)
    return None if same else f"{where} is {found!r}, expected something like {expected!r}"
