"""`exec` {cmd} or {argv}: run a program without a shell.

`cmd` is split as a POSIX shell would, as Flamenco does; `argv`, a list, is ours and needs no quoting. Also ours:

    folder          where to run: absolute, or relative to where this worker was started; else the work folder
    notify_seconds  how long the program may take to end when it is asked to; 0: it is killed at once
    announce        tell the farm at once that the program has started (activity `started pid N`)

Why a program cannot be started is said in the words of Go (os/exec), which clients of other farms know.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.attempt import NOTIFY_SECONDS
from millrace.agent.errors import CannotStart, CommandFailed, InvalidSettings
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def exec_program(context: Context, settings: Settings) -> Produced:
    argv = settings.texts("argv") if settings.has("argv") else _split(settings.text("cmd"))
    if not argv or not argv[0]:
        raise InvalidSettings("exec", "no program is named in 'cmd' or 'argv'")
    folder = settings.optional_text("folder")
    notify_seconds = settings.optional_number("notify_seconds")
    if _is_looked_up(argv[0]) and shutil.which(argv[0]) is None:
        raise CommandFailed(f"exec: {go_quote(argv[0])}: executable file not found in $PATH")
    try:
        context.run_or_fail(
            "exec",
            argv,
            folder=None if folder is None else Path.cwd() / folder,
            notify_seconds=NOTIFY_SECONDS if notify_seconds is None else max(0.0, notify_seconds),
            announce=settings.flag("announce"),
        )
    except CannotStart as failure:
        raise CommandFailed(_why(argv[0], folder, failure.cause)) from failure
    return NOTHING


def _split(cmd: str) -> list[str]:
    try:
        return shlex.split(cmd)
    except ValueError as error:
        raise InvalidSettings("exec", f"'cmd' cannot be split into words: {error}") from error


def _is_looked_up(program: str) -> bool:
    """A name is looked up in PATH, a path is taken as it is."""
    return os.path.basename(program) == program and "\0" not in program


def _why(program: str, folder: str | None, cause: OSError | ValueError) -> str:
    if not isinstance(cause, OSError) or cause.errno is None:
        return f"fork/exec {program}: invalid argument"
    reason = os.strerror(cause.errno).lower()
    if folder is not None and cause.filename is not None and os.fspath(cause.filename) == str(Path.cwd() / folder):
        return f"chdir {folder}: {reason}"
    return f"fork/exec {program if not _is_looked_up(program) else shutil.which(program)}: {reason}"


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def go_quote(text: str) -> str:
    """As Go's `strconv.Quote` has it."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _code(c)) for c in text) + '"'


def _code(character: str) -> str:
    number = ord(character)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
