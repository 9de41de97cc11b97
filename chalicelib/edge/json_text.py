"""JSON as our own calls take it, strictly, so that what is stored is what was meant; and as all calls send it."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from pydantic_core import from_json

from ..core.errors import BadInput

_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact_json(value: Any) -> bytes:
    """Without blanks, as the originals of most protocols write it; UTF-8 as it is."""
    return _compact(value).encode()


def strict_json(data: bytes) -> Any:
    """The value. Raises BadInput for what is no JSON or no UTF-8, and also for NaN and numbers beyond a double's
    range, lone surrogates, keys given twice, and nesting beyond 200 levels."""
    try:
        from_json(data, allow_inf_nan=False)  # bounds the depth, before the standard library recurses
        return json.loads(data.decode(), object_pairs_hook=_once, parse_float=_finite)
    except ValueError as error:
        raise BadInput(f"the body is not JSON as this API takes it: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, times in names.items() if times > 1)
        raise ValueError(f"the key {twice[:60]!r} is given twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number
