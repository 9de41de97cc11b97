"""Slow work, done outside of the call that finds it."""

from __future__ import annotations

from typing import Protocol


class Errands(Protocol):
    """Hands slow work to another process. An errand may run twice, late, or (when the queue fails) not at all: the
    sweep does what is left."""

    def settle(self, job_id: int) -> None:
        """Have this job settled soon. Never raises."""
        ...

    def collect(self, collection_id: int) -> None:
        """Have that garbage collection go on soon. Never raises."""
        ...
