"""How attempts ended, counted by the process that saw them end, until it adds its numbers to the farm's statistics."""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping

from .lifecycle import Outcome
from .model import Attempt
from .records.statistics import OTHER_REASONS, most_frequent

WRITE_EVERY_MS = 10_000
UNWELL = frozenset({Outcome.FAILED, Outcome.LOST})
LONGEST_REASON = 60
REASON = "reason."

Counts = Mapping[str, int]
"""By field of a point of the statistics: `ended.completed`, `worker.17`, `reason.exit code 1`."""


def counted(attempt: Attempt) -> list[str]:
    """What one attempt adds 1 to."""
    fields = [f"ended.{attempt.outcome}"]
    if attempt.outcome in UNWELL:
        fields += [f"worker.{attempt.worker}", f"{REASON}{_reason(attempt)}"]
    return fields


def _reason(attempt: Attempt) -> str:
    """Few words for many errors: a path or a number in them must not make each a reason of its own."""
    if attempt.exit_code:
        return f"exit code {attempt.exit_code}"
    first = (attempt.error or "no reason given").strip().partition("\n")[0]
    return re.sub(r"[0-9]+", "#", first)[:LONGEST_REASON]


class Tally:
    """Of one process; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minutes: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._written_at = 0
        self.gauged: int | None = None
        """The minute whose gauges this process has written."""

    def note(self, minute: int, attempt: Attempt, now: int) -> bool:
        """Count it. True when the numbers have waited long enough and are to be taken."""
        with self._lock:
            self._minutes[minute].update(counted(attempt))
            return now - self._written_at >= WRITE_EVERY_MS

    def take(self, now: int) -> dict[int, Counter[str]]:
        """By minute, with the most frequent reasons; they are the caller's now."""
        with self._lock:
            taken, self._minutes = dict(self._minutes), defaultdict(Counter)
            self._written_at = now
        return {minute: _with_few_reasons(counts) for minute, counts in taken.items()}


def _with_few_reasons(counts: Counter[str]) -> Counter[str]:
    """An outage has many words for itself."""
    reasons = {name: count for name, count in counts.items() if name.startswith(REASON)}
    others = {name: count for name, count in counts.items() if name not in reasons}
    return Counter(others | most_frequent(reasons, REASON + OTHER_REASONS))
