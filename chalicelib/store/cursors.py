"""Where a query goes on: the key of the last item given, as opaque text.

A cursor comes back from the outside, so it is checked like any input: it must be for the same partition and index, or
ValueError. It names a place, not an item: the item may be gone by then.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

Place = Mapping[str, str]
"""Key fields of one item: pk, sk and, in an index, the index's own two."""


def key_fields(index: str | None) -> tuple[str, ...]:
    """The fields of a place, partition key first, then in the order that sorts the query."""
    return ("pk", "sk") if index is None else (f"{index}_pk", f"{index}_sk", "pk", "sk")


def encode(item: Mapping[str, Any], index: str | None) -> str:
    """The cursor that goes on after this item."""
    place = {field: item[field] for field in key_fields(index)}
    text = json.dumps(place, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, index: str | None, pk: str | None) -> Place:
    """The place a cursor of this query stands for; of a scan, with `pk` None. ValueError for anything `encode` did not
    give for it."""
    fields = key_fields(index)
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        texts = {field: str(place[field]) for field in fields if isinstance(place[field], str) and place[field]}
        if len(texts) < len(fields) or len(place) != len(fields) or texts[fields[0]] != (pk or texts[fields[0]]):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("the cursor is not one that this query gave") from None
    return texts
