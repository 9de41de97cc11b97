"""What is shown of commands: everything but what looks like a secret. Pure.

Commands are as their submitter wrote them, and people who may look at a task need not know the passwords in it. What is
not called by a telling name cannot be known to be one: secrets belong into the worker's environment, not into settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.model import Json

HIDDEN = "…"
_TELLING = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|authorization|cookie|(api|access|private)[-_ ]?key", re.I
)
_IN_URL = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+(?=@)")
_WORD = r"[\w-]*(?:pass(?:word|wd|phrase)|secret|token|credential|api[-_]?key|access[-_]?key|signature)[\w-]*"
_ASSIGNED = re.compile(rf"(?P<name>{_WORD}\s*[=:]\s*|--{_WORD}\s+)(?P<value>[^\s&\"']+)", re.I)
"""`--password x`, `API_KEY=x`, `?X-Amz-Signature=x`."""


def without_secrets(command: Mapping[str, Json]) -> dict[str, Json]:
    return {name: _shown(name, value) for name, value in command.items()}


def _shown(name: str, value: Json) -> Json:
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), inner) for key, inner in value.items()}
    if _TELLING.search(name) and value not in (None, "", [], True, False):
        return HIDDEN
    if isinstance(value, list | tuple):
        return _listed(name, list(value))
    return _text(value) if isinstance(value, str) else value


def _listed(name: str, values: list[Json]) -> list[Json]:
    """In a list of arguments the value follows its name."""
    after = [None, *values]
    return [
        HIDDEN
        if isinstance(before, str) and before.startswith("-") and "=" not in before and _TELLING.search(before)
        else _shown(name, value)
        for before, value in zip(after, values, strict=False)
    ]


def _text(text: str) -> str:
    text = _IN_URL.sub(HIDDEN, text)
    return _ASSIGNED.sub(lambda found: found["name"] + HIDDEN, text)
