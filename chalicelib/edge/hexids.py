"""Ids as 24 hex digits, for protocols whose ids are MongoDB's: the second first, then a fixed tag, then the rest.

Pure and reversible, and in the order of time as MongoDB's are. What was not rendered here is refused, or a foreign id
would be taken for one of ours.
"""

from __future__ import annotations

import re

from ..core.errors import NotFound
from ..core.ids import EPOCH_SECONDS, LARGEST, PER_SECOND, SEQUENCE_BITS

DIGITS = 24
_TAG = 0x6D696C6C72
"""Five bytes where MongoDB has a random number: `millr`."""
_SHAPE = re.compile(r"[0-9a-fA-F]{24}")


def is_hex_id(text: object) -> bool:
    """Whether it has the shape of such an id, ours or not."""
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None


def hex_of(number: int) -> str:
    """`5e0be3b86d696c6c722ff913` for 1311766803. Raises ValueError for what is no id."""
    if not 0 < number <= LARGEST:
        raise ValueError(f"not an id: {number}")
    second, sequence = divmod(number, PER_SECOND)
    return f"{EPOCH_SECONDS + second:08x}{_TAG:010x}{sequence:06x}"


def constant(number: int) -> str:
    """An id that stands for nothing in the farm: of a second before the farm's first, so that `id_of` refuses it."""
    return f"{0:08x}{_TAG:010x}{number:06x}"


def id_of(text: object, noun: str = "id") -> int:
    """The id in the digits that `hex_of` made, in lower or upper case. Anything else names nothing: NotFound."""
    if isinstance(text, str) and _SHAPE.fullmatch(text):
        second, tag, sequence = int(text[:8], 16) - EPOCH_SECONDS, int(text[8:18], 16), int(text[18:], 16)
        number = (second << SEQUENCE_BITS) | sequence
        if second >= 0 and tag == _TAG and sequence < PER_SECOND and 0 < number <= LARGEST:
            return number
    raise NotFound(f"no such {noun}: {str(text)[:40]!r} (not an id of this farm)")
