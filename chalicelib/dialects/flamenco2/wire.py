"""Request bodies of Flamenco 2, read as its manager read them: the first JSON value counts, unknown keys and what
follows are ignored, `null` means not given.

Registration and sign-on are refused when a type is wrong. Updates never are: a worker repeats a refused update for
ever and sends nothing behind it, so what cannot be used is dropped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import BadInput
from ...core.model import SleepSchedule

LONGEST_NAME = 200
LONGEST_ACTIVITY = 2000
MOST_TASK_TYPES = 200
MOST_TIMINGS = 200
DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")


class Malformed(BadInput):
    """The body cannot be decoded."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Unable to decode JSON: {what}")


@dataclass(frozen=True)
class Description:
    """What a worker says of itself at registration and sign-on. Empty: not said."""

    nickname: str
    task_types: tuple[str, ...]
    platform: str
    secret: str


@dataclass(frozen=True)
class Update:
    """What a worker says about a task, as far as it can be used."""

    task_status: str | None = None
    activity: str | None = None
    percent: int | None = None
    timing: Mapping[str, float] = field(default_factory=dict)
    log: str = ""


def description(data: bytes) -> Description:
    """Raises Malformed."""
    body = _object(data)
    types = (_name(text) for text in _strings(body, "supported_task_types")[:MOST_TASK_TYPES])
    return Description(
        nickname=_name(_string(body, "nickname")),
        task_types=tuple(dict.fromkeys(text for text in types if text)),
        platform=_name(_string(body, "platform")),
        secret=_string(body, "secret"),
    )


def paths(data: bytes) -> list[str]:
    """Of FileProduced. Raises Malformed."""
    return [text for text in _strings(_object(data), "paths") if text]


def update(data: bytes) -> Update:
    """Whatever can be made of it."""
    try:
        body = _object(data)
    except Malformed:
        return Update()
    status, activity, log = (body.get(name) for name in ("task_status", "activity", "log"))
    return Update(
        task_status=status if isinstance(status, str) and status else None,
        activity=clean(activity)[:LONGEST_ACTIVITY] if isinstance(activity, str) and activity else None,
        percent=_percent(body.get("task_progress_percentage")),
        timing=_timing(body.get("metrics")),
        log=clean(log) if isinstance(log, str) else "",
    )


def sleep_schedule(data: bytes) -> SleepSchedule:
    """Raises BadInput that names what is wrong."""
    body = _object(data)
    active = body.get("schedule_active")
    if active is not None and not isinstance(active, bool):
        raise Malformed("schedule_active must be true or false")
    days = _string(body, "days_of_week").lower().split()
    if unknown := [day for day in days if day not in DAYS]:
        raise BadInput(f"days_of_week has {unknown[0][:20]!r}; days are {' '.join(DAYS)}")
    return SleepSchedule(
        active=bool(active),
        days=tuple(sorted({DAYS.index(day) for day in days})),
        start_minute=minute_of(_string(body, "time_start"), "time_start"),
        end_minute=minute_of(_string(body, "time_end"), "time_end"),
    )


def minute_of(text: str, name: str) -> int | None:
    """Minutes since midnight of `HH:MM`; None for an empty text. Raises BadInput."""
    if not text:
        return None
    hour, colon, minute = text.partition(":")
    digits = hour.isascii() and hour.isdigit() and minute.isascii() and minute.isdigit() and len(minute) == 2
    if not colon or not digits or len(hour) > 2 or int(hour) > 23 or int(minute) > 59:
        raise BadInput(f"{name} must be HH:MM, not {text[:20]!r}")
    return int(hour) * 60 + int(minute)


def clean(text: str) -> str:
    """Without lone surrogates, which JSON can name and UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


# ---- JSON ----------------------------------------------------------------------------------------------------------


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value, _ = _DECODER.raw_decode(data.decode("utf-8", "replace").lstrip(" \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
    if not isinstance(value, dict):
        raise Malformed("the body must be an object")
    return value


def _string(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{name} must be a string")
    return clean(value or "")


def _strings(body: Mapping[str, Any], name: str) -> list[str]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise Malformed(f"{name} must be a list of strings")
    return [clean(text) for text in value]


def _name(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:LONGEST_NAME]


def _percent(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(min(max(number, 0), 100))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _timing(metrics: Any) -> dict[str, float]:
    timing = metrics.get("timing") if isinstance(metrics, dict) else None
    given = list(timing.items())[:MOST_TIMINGS] if isinstance(timing, dict) else []
    numbers = ((clean(name)[:LONGEST_NAME], _number(value)) for name, value in given)
    return {name: number for name, number in numbers if number is not None}
