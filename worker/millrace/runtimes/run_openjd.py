"""`run_openjd` {step, index}: one task of an Open Job Description template, which lies in `openjd/job.json`.

A process of its own runs it (`millrace.openjd.runner`), so that it ends as every other program of a task does, and the
libraries' threads and logging stay out of the agent.
"""

from __future__ import annotations

import json
import secrets
import sys
from typing import TYPE_CHECKING, Any

from millrace.agent.errors import CommandFailed
from millrace.openjd.errors import INSTALL, has_sessions
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

NOTIFY_SECONDS = 130.0
"""The standard gives a task two minutes between notice and end where the template says nothing; environments are left
afterwards."""
OUTPUTS = "output/./**"


def run_openjd(context: Context, settings: Settings) -> Produced:
    if not has_sessions():
        raise CommandFailed(f"this worker lacks openjd-sessions: {INSTALL}")
    for folder in ("input", "output"):
        context.path(folder).mkdir(exist_ok=True)
    mark = secrets.token_hex(8) + " "
    said: dict[str, Any] = {}

    def hear(line: str) -> None:
        if not line.startswith(mark):
            return context.pass_on(line)
        said.update(json.loads(line.removeprefix(mark)))
        if "failed" not in said:
            context.progress(said["progress"], said["activity"])

    step, index = settings.text("step"), settings.whole("index")
    runner = [sys.executable, "-m", "millrace.openjd.runner", str(context.work), step, str(index), mark]
    exit_code = context.run(runner, on_line=hear, notify_seconds=NOTIFY_SECONDS)
    if exit_code != 0:
        why = said.get("failed") or context.limits_met or f"the runner ended with exit code {exit_code}"
        raise CommandFailed(why, exit_code)
    made_something = any(path.is_file() for path in context.path("output").rglob("*"))
    return NOTHING if made_something else Produced(not_produced=(OUTPUTS,))
