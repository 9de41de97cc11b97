"""Repeating a call until the farm answers: jittered, doubling pauses up to 30 s, `Retry-After` honoured.

Used by the contract, renew and log loops (which keep a `Backoff` between turns) and by transfers (`until_answered`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from millrace.agent.errors import Unreachable
from millrace.agent.observe import WARNING, say

T = TypeVar("T")

LONGEST_PAUSE_SECONDS = 30.0


class Backoff:
    """How long to wait after the n-th failure in a row: 0.5 s doubling to `longest`, with up to a half taken off at
    random.

    Without the random part, a whole farm of workers returns in the same second as the manager does.
    """

    def __init__(self, longest: float = LONGEST_PAUSE_SECONDS, first: float = 0.5) -> None:
        self._longest = longest
        self._first = first
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, retry_after_seconds: float | None = None) -> float:
        """Count a failure; returns the seconds to wait: never less than the farm asked for (up to ten minutes).

        Up to a half more, for it may have told a thousand others the same.
        """
        pause = min(self._longest, self._first * 2.0 ** min(self._failures, 16)) * random.uniform(0.5, 1.0)
        self._failures += 1
        return max(pause, min(retry_after_seconds or 0.0, 600.0) * random.uniform(1.0, 1.5))


def until_answered(
    call: Callable[[], T], wait: Callable[[float], None], say_why: Callable[[Unreachable, float], None] | None = None
) -> T:
    """`call` again until it no longer raises `Unreachable`; `wait(seconds)` pauses, and raises when nobody wants it
    any more. `say_why` hears before each pause what went wrong, and how long it is.
    """
    backoff = Backoff()
    while True:
        try:
            return call()
        except Unreachable as error:
            pause = backoff.failed(error.retry_after_seconds)
            if say_why is not None:
                say_why(error, pause)
            wait(pause)


def say_unanswered(error: Unreachable, pause: float) -> None:
    say("wait", f"The farm does not answer, again in {pause:.1f} s: {error}", level=WARNING)
