"""`exec` {cmd} or {argv}: run a program without a shell.

`cmd` is split as a POSIX shell would, as Flamenco does; `argv`, a list, is ours and needs no quoting.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from millrace.agent.errors import InvalidSettings
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def exec_program(context: Context, settings: Settings) -> Produced:
    argv = settings.texts("argv") if settings.has("argv") else _split(settings.text("cmd"))
    if not argv or not argv[0]:
        raise InvalidSettings("exec", "no program is named in 'cmd' or 'argv'")
    context.run_or_fail("exec", argv)
    return NOTHING


def _split(cmd: str) -> list[str]:
    try:
        return shlex.split(cmd)
    except ValueError as error:
        raise InvalidSettings("exec", f"'cmd' cannot be split into words: {error}") from error
