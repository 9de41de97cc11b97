"""How a worker stops: it takes no more, lets tasks finish for a while, ends them, delivers everything.

Called once, by the main thread, while all loops still run: they carry the last reports and logs. Killed half way,
the next start delivers what is left and ends what still runs.
"""

from __future__ import annotations

import threading
import time

from millrace.agent.attempt import StopReason
from millrace.agent.contract import ContractLoop, wait_until_delivered
from millrace.agent.held import Held
from millrace.agent.logship import LogShipper, wait_until_empty
from millrace.agent.observe import WARNING, say
from millrace.agent.outbox import Outbox

_ENDING_SECONDS = 10.0
"""How long ended tasks may take to be cleared away; one that hangs in a transfer is left to the sign-off."""
_HURRIED_FLUSH_SECONDS = 2.0


class Patience:
    """Until when running tasks may go on. Each word about it can only shorten it, also while it is waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: float | None = None

    def shorten(self, seconds: float | None) -> None:
        """So long from now at most; None says nothing about it."""
        if seconds is not None:
            with self._lock:
                until = time.monotonic() + seconds
                self._until = until if self._until is None else min(until, self._until)

    @property
    def is_over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until


class Drain:
    """The end of a run. `hurry`, set at any moment, cuts every wait short and kills without notice."""

    def __init__(
        self,
        held: Held,
        outbox: Outbox,
        logs: LogShipper,
        contract: ContractLoop,
        hurry: threading.Event,
    ) -> None:
        self._held, self._outbox, self._logs = held, outbox, logs
        self._contract, self._hurry = contract, hurry

    def run(self, patience: Patience, flush_seconds: float) -> None:
        """Running tasks may go on while there is patience, the last reports take `flush_seconds`."""
        self._held.release_unbegun()
        say("drain", "Stopping: no new tasks.", running=len(self._held) or None)
        self._let_finish(patience)
        self._held.stop_all(StopReason.INTERRUPTED)
        self._await_ends()
        self._flush(_HURRIED_FLUSH_SECONDS if self._hurry.is_set() else flush_seconds)

    def _let_finish(self, patience: Patience) -> None:
        while not self._hurry.is_set() and not patience.is_over:
            if self._held.wait_until_empty(0.1):
                return

    def _await_ends(self) -> None:
        deadline = time.monotonic() + _ENDING_SECONDS
        while not self._held.wait_until_empty(0.1) and time.monotonic() < deadline:
            if self._hurry.is_set():
                for attempt in self._held.all():
                    attempt.kill()

    def _flush(self, seconds: float) -> None:
        delivered = wait_until_delivered(self._outbox, self._contract, seconds)
        if not (delivered and wait_until_empty(self._logs, seconds)):
            waiting = len(self._outbox)
            say("drain", "Not everything was delivered; the next start does it.", level=WARNING, reports=waiting)
