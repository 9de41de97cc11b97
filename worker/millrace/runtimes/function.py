"""`function` {runtime}: run the file `code` with an interpreter, the file `input` on its stdin, its stdout into
`output`.

What the Pleiades protocol calls a lambda. Which program a runtime name means is the worker's configuration; stderr is
the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

DEFAULT_INTERPRETERS: Mapping[str, Sequence[str]] = {"python3": ("python3",), "bash": ("bash",)}
"""The system's own programs, not the agent's: a function must not depend on what the agent happens to have installed.
"""


def function(context: Context, settings: Settings) -> Produced:
    runtime = settings.text("runtime")
    interpreter = context.interpreters.get(runtime)
    if interpreter is None:
        known = ", ".join(sorted(context.interpreters)) or "none"
        raise CommandFailed(f"function: this worker has no runtime {runtime!r}; it has {known}")
    code, source = context.work / "code", context.work / "input"
    if not code.is_file():
        raise CommandFailed("function: the input 'code' is missing")
    context.run_or_fail(
        "function",
        [*interpreter, str(code)],
        stdin=source if source.exists() else None,
        stdout=context.work / "output",
    )
    return Produced(outputs=("output",))
