"""Ids as UUIDs, for protocols that want one: version 4, the id in the low 53 bits, all other bits fixed.

Version 4 is what the scheduler's original makes, and its clients may check. Pure and reversible. What was not rendered
here is refused, or a foreign UUID would be taken for an id of ours.
"""

from __future__ import annotations

import re

from ..core.errors import NotFound
from ..core.ids import LARGEST

_FIXED = (4 << 76) | (2 << 62)
"""The version and the variant; nothing else is set."""
_SHAPE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def uuid_of(number: int) -> str:
    """`00000000-0000-4000-8000-00004e2ff913` for 1311766803. Raises ValueError for what is no id."""
    if not 0 < number <= LARGEST:
        raise ValueError(f"not an id: {number}")
    text = f"{_FIXED | number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def id_of(text: object, noun: str = "id") -> int:
    """The id in a UUID that `uuid_of` made, in lower or upper case. Anything else names nothing: NotFound."""
    if isinstance(text, str) and _SHAPE.fullmatch(text):
        number = int(text.replace("-", ""), 16) ^ _FIXED
        if 0 < number <= LARGEST:
            return number
    raise NotFound(f"no such {noun}: {str(text)[:40]!r} (not a UUID of this farm)")
