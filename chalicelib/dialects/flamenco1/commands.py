"""Tasks from elsewhere as one command line: what a worker of this protocol can be given. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...core.errors import BadInput
from ...core.model import Json
from .translate import System

Command = Mapping[str, Json]


class Inexpressible(BadInput):
    """This task is no single command line."""


def argv_of(commands: Sequence[Command], system: System) -> list[str]:
    """Raises Inexpressible, which says what this worker cannot do.

    One command only: a shell around several would be killed without its children.
    """
    if len(commands) != 1:
        raise Inexpressible(f"a worker of Flamenco 1 runs one command per task, not {len(commands)}")
    name, settings = str(commands[0]["name"]), commands[0].get("settings") or {}
    makers = _EVERYWHERE if system is System.WIN else {**_EVERYWHERE, **_POSIX}
    if name not in makers:
        raise Inexpressible(f"a worker of Flamenco 1 can run {', '.join(sorted(makers))}, not {name!r}")
    argv = makers[name](settings)
    if not argv or not all(isinstance(word, str) for word in argv) or not argv[0]:
        raise Inexpressible(f"{name}: its settings name no program")
    return argv


def _exec(settings: Mapping[str, Any]) -> list[str]:
    if settings.get("folder") not in (None, "."):  # "." is where the worker itself was started: it knows no other
        raise Inexpressible("exec: a worker of Flamenco 1 cannot run a program in another folder")
    if isinstance(settings.get("argv"), list):
        return list(settings["argv"])
    if isinstance(settings.get("cmd"), str):
        try:
            return shlex.split(settings["cmd"])
        except ValueError as error:
            raise Inexpressible(f"exec: cmd cannot be split into words: {error}") from None
    if isinstance(settings.get("exe"), str):
        return [settings["exe"], *(settings.get("args") or [])]
    return []


def _echo(settings: Mapping[str, Any]) -> list[str]:
    return ["echo", str(settings.get("message", ""))]


def _sleep(settings: Mapping[str, Any]) -> list[str]:
    seconds = settings.get("time_in_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise Inexpressible("sleep: time_in_seconds must be a number")
    return ["sleep", f"{seconds:g}"]


_EVERYWHERE: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {"exec": _exec}
_POSIX = {"echo": _echo, "sleep": _sleep}
