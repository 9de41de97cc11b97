"""How values become fields and fields values: what the item modules have in common.

What only travels (work, settings, results, annotations) is kept as JSON text: it may hold floats, and nobody asks the
table about its inside. A field that is None is absent from the item.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..model import Output
from ..ports import Key

_encoded = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def to_json(value: Any) -> str:
    return _encoded(value)


def from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def item(key: Key, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"pk": key.pk, "sk": key.sk} | {name: value for name, value in fields.items() if value is not None}


def outputs_json(outputs: tuple[Output, ...]) -> list[dict[str, Any]]:
    return [{"name": o.name, "blob": o.blob, "size": o.size, "sha256": o.sha256} for o in outputs]


def outputs_from(fields: list[Mapping[str, Any]] | None) -> tuple[Output, ...]:
    return tuple(Output(o["name"], o["blob"], o["size"], o["sha256"]) for o in fields or ())
