"""What is shown of commands: everything but what looks like a secret. Pure.

Commands are as their submitter wrote them, and people who may look at a task need not know the passwords in it. What is
not called by a telling name cannot be known to be one: secrets belong into the worker's environment, not into settings.
A job's settings are shown as they were submitted, for they are submitted again when it is rerun: so what is hidden here
is out of sight, but not kept from anybody who may look at the job.
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
_NAMES_SECRET = re.compile(r"pass(?:word|wd|phrase)|secret|token|credential|api[-_]?key|access[-_]?key|signature", re.I)
_WORD = re.compile(r"[\w-]++")
_VALUE = re.compile(r"(?P<between>\s*+[=:]\s*+|\s++)(?P<value>[^\s&\"']+)")
"""What follows a word: `--password x`, `API_KEY=x`, `?X-Amz-Signature=x`."""


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
    """Word by word: one pattern for all of it would look at a long word once from each of its letters."""
    text = _IN_URL.sub(HIDDEN, text)
    parts: list[str] = []
    at = 0
    for word in _WORD.finditer(text):
        if word.start() < at or not _NAMES_SECRET.search(word[0]):
            continue  # part of a value that is hidden already, or a name that tells nothing
        found = _VALUE.match(text, word.end())
        if found and (found["between"].strip() or word[0].startswith("--")):
            parts += [text[at : found.start("value")], HIDDEN]
            at = found.end()
    return "".join(parts) + text[at:]
