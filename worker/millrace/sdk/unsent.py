"""Files in a job's settings that are still here. `Farm.submit` sends them once the farm would take the job.

A submission with a misspelt type or setting is then refused before the first byte, not after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.sdk.calls import Calls
from millrace.sdk.errors import Refused

STAND_IN = "1"
"""Looks like the id of a blob; a check looks none up."""
OLDER_FARM = frozenset({404, 405})


@dataclass(frozen=True)
class Unsent:
    """Stands in the settings where the id of a blob belongs. `send` uploads it and answers the id."""

    send: Callable[[], str]


def check(calls: Calls, submission: Mapping[str, Any]) -> None:
    """Raises what the farm has against the submission, as far as that can be said without its files."""
    settings = _with(submission["settings"], lambda unsent: STAND_IN)
    try:
        calls.send("POST", "/jobs/check", repeatable=True, json={**submission, "settings": settings})
    except Refused as refusal:
        if refusal.status not in OLDER_FARM:
            raise


def are_in(settings: Any) -> bool:
    if isinstance(settings, Mapping):
        return any(map(are_in, settings.values()))
    if isinstance(settings, list | tuple):
        return any(map(are_in, settings))
    return isinstance(settings, Unsent | Path)


def sent(settings: Any, upload: Callable[[Path], str]) -> Any:
    """The settings with the ids of what was sent."""
    return _with(settings, lambda unsent: unsent.send() if isinstance(unsent, Unsent) else upload(unsent))


def _with(settings: Any, put: Callable[[Unsent | Path], str]) -> Any:
    if isinstance(settings, Unsent | Path):
        return put(settings)
    if isinstance(settings, Mapping):
        return {name: _with(value, put) for name, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [_with(value, put) for value in settings]
    return settings
