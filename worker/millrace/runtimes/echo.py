"""`echo` {message}: write a line to the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def echo(context: Context, settings: Settings) -> Produced:
    context.say(f"echo: {settings.text('message')}")
    return NOTHING
