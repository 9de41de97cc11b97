"""`sleep` {time_in_seconds}: wait, with progress; ends at once when the task is stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from millrace.agent.errors import InvalidSettings
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def sleep(context: Context, settings: Settings) -> Produced:
    seconds = settings.number("time_in_seconds")
    if seconds < 0:
        raise InvalidSettings("sleep", f"'time_in_seconds' is {seconds:g} (expected 0 or more)")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        context.progress(100 * (1 - left / seconds), "sleeping")
        context.wait(min(left, 1.0))
    return NOTHING
