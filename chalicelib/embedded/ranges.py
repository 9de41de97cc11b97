"""The header Range, for one range of bytes. Several ranges, and what is none, mean the whole (RFC 9110, 14.2)."""

from __future__ import annotations

import re

_SINGLE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class NotSatisfiable(Exception):
    """The range begins behind the end."""


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Offset and length within `size`, or None for the whole. Raises NotSatisfiable."""
    match = _SINGLE.fullmatch(header.replace(" ", "")) if header is not None else None
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return _suffix(int(last), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise NotSatisfiable
    end = min(int(last) + 1, size) if last else size
    return int(first), end - int(first)


def _suffix(length: int, size: int) -> tuple[int, int]:
    if length == 0 or size == 0:
        raise NotSatisfiable
    length = min(length, size)
    return size - length, length
