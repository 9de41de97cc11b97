"""What a fleet has seen: answers by status, times, refusals, and which completions the farm has acknowledged."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.history import Exchange


@dataclass
class Tally:
    """Shared by all workers of a fleet, which are coroutines of one thread."""

    statuses: Counter[int] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    """Calls that had no answer, by what was called."""
    times_ms: list[float] = field(default_factory=list)
    """Of answered calls that did not wait for work."""
    completed: dict[str, str] = field(default_factory=dict)
    """Acknowledged completions: the worker, by task."""
    refused: Counter[str] = field(default_factory=Counter)
    """503 and 429, by call."""
    troubles: list[str] = field(default_factory=list)
    """What a worker of ours would call an error, in words."""
    history: list[Exchange] | None = None
    """Kept if somebody wants to check it."""

    def answered(self, call: str, status: int, sent_at: float, *, waited: bool) -> None:
        self.statuses[status] += 1
        if status in (429, 503):
            self.refused[call] += 1
        elif status != 200:
            self.troubles.append(f"{call} was answered {status}")
        if not waited and status == 200:
            self.times_ms.append((time.monotonic() - sent_at) * 1000)

    def record(self, path: str, body: Any, sent_at: float, status: int | None, answer: Any) -> None:
        if self.history is None:
            return
        answered_at = None if status is None else time.monotonic()
        good = answer if status == 200 else None
        self.history.append(Exchange("POST", path, body, sent_at, answered_at, status, good, status is not None))

    def since(self, mark: Tally) -> Tally:
        """What came after `mark`, an earlier `copy`."""
        return Tally(
            self.statuses - mark.statuses,
            self.cuts - mark.cuts,
            self.times_ms[len(mark.times_ms) :],
            {task: worker for task, worker in self.completed.items() if task not in mark.completed},
            self.refused - mark.refused,
            self.troubles[len(mark.troubles) :],
        )

    def copy(self) -> Tally:
        return Tally(
            Counter(self.statuses),
            Counter(self.cuts),
            list(self.times_ms),
            dict(self.completed),
            Counter(self.refused),
            list(self.troubles),
        )


def percentile(values: list[float], share: float) -> float:
    """0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
