"""Reads a command's settings: each getter gives the value in its type or fails the task, naming the field and what it
should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.agent.errors import InvalidSettings


class Settings:
    """The settings of one command. `None` and absent are the same for optional fields."""

    def __init__(self, command: str, values: Mapping[str, Any]) -> None:
        self.command = command
        self._values = values

    def text(self, field: str) -> str:
        value = self.optional_text(field)
        if not value:
            raise self._wrong(field, "a non-empty text")
        return value

    def optional_text(self, field: str) -> str | None:
        value = self._values.get(field)
        if value is None or isinstance(value, str):
            return value
        raise self._wrong(field, "a text")

    def number(self, field: str, *, above: float | None = None) -> float:
        value = self.optional_number(field)
        if value is None or (above is not None and value <= above):
            raise self._wrong(field, "a number" if above is None else f"a number above {above:g}")
        return value

    def optional_number(self, field: str) -> float | None:
        value = self._values.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e12:
            raise self._wrong(field, "a number")
        return float(value)

    def optional_count(self, field: str) -> int | None:
        value = self.optional_number(field)
        if value is not None and (value < 0 or value != int(value)):
            raise self._wrong(field, "a whole number from 0 on")
        return None if value is None else int(value)

    def whole(self, field: str) -> int:
        value = self.optional_number(field)
        if value is None or value != int(value):
            raise self._wrong(field, "a whole number")
        return int(value)

    def texts(self, field: str) -> list[str]:
        """A list of texts; absent is empty."""
        value = self._values.get(field)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._wrong(field, "a list of texts")
        return value

    def ranges(self, field: str) -> list[tuple[float, float]] | None:
        """`[[start, end], …]` in seconds, 0 <= start < end; None when absent."""
        value = self._values.get(field)
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(_is_range(one) for one in value):
            raise self._wrong(field, "a list of [start, end] in seconds with 0 <= start < end")
        return [(float(start), float(end)) for start, end in value]

    def flag(self, field: str) -> bool:
        """Absent is False."""
        value = self._values.get(field)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self._wrong(field, "true or false")

    def has(self, field: str) -> bool:
        return self._values.get(field) is not None

    def _wrong(self, field: str, expected: str) -> InvalidSettings:
        if field not in self._values:
            return InvalidSettings(self.command, f"{field!r} is missing (expected {expected})")
        return InvalidSettings(self.command, f"{field!r} is {self._values[field]!r} (expected {expected})")


def _is_range(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value)
    return numbers and 0 <= value[0] < value[1] < 1e9
