"""The right to compute, for so many tasks at once.

Of those that could begin, the one that was claimed first does: a worker that began the second task of two, and gave
the first back after a while, would have turned the farm's order around. A task whose inputs still have to be fetched
holds nobody up.
"""

from __future__ import annotations

import threading

from millrace.agent.protocol import LeaseId


class Slots:
    """Safe to call from several threads, except `line_up`: whoever claims calls it, in the order of the claims."""

    def __init__(self, count: int) -> None:
        self._changed = threading.Condition()
        self._free = count
        self._line: dict[LeaseId, bool] = {}
        """Who has no slot yet, first claimed first, and whether it is ready for one."""

    def line_up(self, lease: LeaseId, *, is_ready: bool) -> None:
        """`is_ready`: it has nothing to fetch, so it will ask for its slot as soon as its thread runs."""
        with self._changed:
            self._line[lease] = is_ready

    def acquire(self, lease: LeaseId, seconds: float) -> bool:
        """True: it has a slot, to be given back by `release`. False: not within `seconds`."""
        with self._changed:
            self._line[lease] = True
            if not self._changed.wait_for(lambda: self._is_next(lease), timeout=seconds):
                return False
            del self._line[lease]
            self._free -= 1
            self._changed.notify_all()
            return True

    def release(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def leave(self, lease: LeaseId) -> None:
        """It will not ask any more; nothing, if it has had its slot."""
        with self._changed:
            if self._line.pop(lease, None) is not None:
                self._changed.notify_all()

    def _is_next(self, lease: LeaseId) -> bool:
        left = self._free
        for other, is_ready in self._line.items():
            if left == 0 or other == lease:
                return left > 0
            left -= is_ready
        return False
