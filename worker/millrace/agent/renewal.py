"""Keeps leases alive, and ends the tasks whose leases cannot be kept alive.

Two threads: `renew` talks to the farm, and may hang in a call for as long as the network pleases; `watch` never talks
to anyone and therefore always ends a task before its lease does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from millrace.agent.attempt import Attempt, StopReason
from millrace.agent.client import FarmClient
from millrace.agent.errors import Refused, Unreachable
from millrace.agent.held import Held
from millrace.agent.lease import Clock, Lease
from millrace.agent.observe import WARNING, say
from millrace.agent.protocol import JsonObject, LeaseId, Told
from millrace.agent.retrying import Backoff

LOOK_SECONDS = 0.25
NEWS_SECONDS = 2.0
"""Progress goes out at most this often."""
ANSWER_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 5.0
"""Leases do not wait for a patient backoff, whatever the farm asks for."""


class RenewLoop:
    """Renews every lease at a third of its time, and sooner when there is progress to tell."""

    def __init__(self, client: FarmClient, held: Held, hear: Callable[[Told], None], clock: Clock) -> None:
        self._client, self._held, self._hear, self._clock = client, held, hear, clock
        self._woken = threading.Event()

    def wake(self) -> None:
        """There is news that cannot wait."""
        self._woken.set()

    def run(self, stopping: threading.Event) -> None:
        """The body of the renew thread."""
        backoff = Backoff(longest=LONGEST_PAUSE_SECONDS)
        while not self._wait(stopping):
            try:
                self.turn()
                backoff.succeeded()
            except Unreachable as error:
                pause = backoff.failed(min(error.retry_after_seconds or 0.0, LONGEST_PAUSE_SECONDS))
                say("renew", f"The farm does not answer, again in {pause:.1f} s: {error}", level=WARNING)
                stopping.wait(pause)
            except Refused as refusal:
                # Whether we are still known is for the contract call to find out.
                say("renew", f"The farm refused to renew: {refusal}", level=WARNING)
                stopping.wait(backoff.failed())

    def _wait(self, stopping: threading.Event) -> bool:
        """Until there may be something to tell; True when stopping."""
        self._woken.wait(LOOK_SECONDS)
        self._woken.clear()
        return stopping.is_set()

    def turn(self) -> None:
        """One renew call for all leases that are due, if any."""
        now = self._clock()
        due = [wire for one in self._held.all() if (wire := one.renewal(now, NEWS_SECONDS)) is not None]
        if not due:
            return
        answer = self._client.worker_call("renew", {"leases": due}, answer_seconds=ANSWER_SECONDS)
        for verdict in answer.get("leases") or []:
            self._apply(verdict, counted_from=now)
        self._hear(Told.from_wire(answer))

    def _apply(self, verdict: JsonObject, counted_from: float) -> None:
        attempt = self._held.get(LeaseId.from_wire(verdict, "renew answer"))
        if attempt is None:
            return
        if verdict.get("held"):
            attempt.renewed(Lease(counted_from, float(verdict["lease_seconds"])))
        else:
            attempt.stop(StopReason.LOST)


class Watch:
    """Ends attempts whose lease or whose allowed time runs out, and those that show no sign of life."""

    def __init__(self, held: Held, clock: Clock, tell_guard: Callable[[list[Attempt]], None]) -> None:
        self._held, self._clock, self._tell_guard = held, clock, tell_guard

    def run(self, stopping: threading.Event) -> None:
        """The body of the watch thread."""
        while not stopping.wait(LOOK_SECONDS):
            self.turn()

    def turn(self) -> None:
        now = self._clock()
        self._tell_guard(self._held.all())
        for attempt in self._held.all():
            reason = self._over(attempt, now)
            if reason is not None and attempt.reason != reason:
                say("abandon", f"A task is ended: {reason.name.lower()}.", level=WARNING, lease=attempt.id)
                attempt.stop(reason)

    def _over(self, attempt: Attempt, now: float) -> StopReason | None:
        if attempt.reason is not None and attempt.reason >= StopReason.EXPIRED:
            return None
        if now >= attempt.lease.abandon_at:
            return StopReason.EXPIRED
        if attempt.reason is not None:
            return None
        overtime_at = attempt.overtime_at()
        if overtime_at is not None and now >= overtime_at:
            return StopReason.OVERTIME
        lived_at, idle = attempt.lived_at, attempt.assignment.idle_seconds
        is_idle = lived_at is not None and idle is not None and now >= lived_at + idle
        return StopReason.IDLE if is_idle else None
