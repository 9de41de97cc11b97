"""The attempts this worker holds, running or waiting, and the lists the calls need of them."""

from __future__ import annotations

import threading

from millrace.agent.attempt import Attempt, StopReason
from millrace.agent.protocol import LeaseId


class Held:
    """All attempts from their assignment until their thread has ended. Safe to call from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._attempts: dict[LeaseId, Attempt] = {}

    def add(self, attempt: Attempt) -> bool:
        """False if it is here already: the farm repeated an assignment whose answer did arrive."""
        with self._changed:
            if attempt.id in self._attempts:
                return False
            self._attempts[attempt.id] = attempt
            return True

    def remove(self, lease: LeaseId) -> None:
        with self._changed:
            self._attempts.pop(lease, None)
            self._changed.notify_all()

    def get(self, lease: LeaseId) -> Attempt | None:
        with self._changed:
            return self._attempts.get(lease)

    def all(self) -> list[Attempt]:
        with self._changed:
            return list(self._attempts.values())

    def stop_all(self, reason: StopReason) -> None:
        for attempt in self.all():
            attempt.stop(reason)

    def release_unbegun(self) -> None:
        """Give back what has no slot yet."""
        for attempt in self.all():
            attempt.release_unbegun()

    def wait_until_empty(self, seconds: float) -> bool:
        """True if no attempt is left within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._attempts, timeout=seconds)

    def __len__(self) -> int:
        with self._changed:
            return len(self._attempts)
