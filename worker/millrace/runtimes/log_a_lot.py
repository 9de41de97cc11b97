"""`log_a_lot` {lines?}: write many lines to the log, to see how it bears that (Flamenco's command)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_USUAL_LINES = 20_000


def log_a_lot(context: Context, settings: Settings) -> Produced:
    lines = settings.optional_count("lines")
    for number in range(_USUAL_LINES if lines is None else lines):
        context.say(f"log_a_lot: line {number}")
        context.wait(0)
    return NOTHING
