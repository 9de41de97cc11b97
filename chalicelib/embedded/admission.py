"""How many requests the farm works on at once, who is next, and who is told to come back.

Every request to a route takes a place before the app sees it, and gives it back before its answer is sent, so that slow
clients hold none. A call that waits for work steps aside while it waits. Without a free place a request waits in line,
the most urgent first; it is refused with 503 and `Retry-After` where the line is too long, where a line of some length
does not move, or where it has itself waited for too long. Being refused costs a tenth of being served: no body is read.

Before it comes to that, workers are told to ask less often: while requests wait in line, the pauses between their
polls grow (`edge/pace.py`). The pause that a refusal tells grows while more is refused than half of what is served,
and shrinks otherwise, so that as many come back as can be served. Nothing is kept that would have to be repaired: with
the load gone the lines are empty.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.edge import pace
from chalicelib.edge.urgency import Urgency
from chalicelib.embedded.http1 import Refused

logger = logging.getLogger(__name__)

PLACES = 32
"""More at once gain nothing: one runs, and a few wait for the disk together (`store/group_commit.py`)."""
LONGEST_LINE = {Urgency.HELD: 4000, Urgency.ASKED: 1000, Urgency.LATER: 1000}
"""Half a second's work of a good machine, for what can be put off: a moment's stall sends nobody away."""
PATIENCE_SECONDS = {Urgency.HELD: 8.0, Urgency.ASKED: 6.0, Urgency.LATER: 4.0}
"""Below the ten seconds for which a renewal waits for its answer. A stall of a second or two is no overload."""
MOST_PAUSE_SECONDS = 30.0
MOST_PAUSE_HELD_SECONDS = 2.0
BUSY_SECONDS = 0.1
"""Somebody waited in line for longer: workers are to poll less often."""
MOST_HELD_BACK_SECONDS = 1.0
CALM_SECONDS = 10.0
"""Without a refusal for so long, the farm is said to be well again."""

_of_thread = threading.local()


class Gate:
    """The places of one server process. Shared by all its connections."""

    def __init__(self, places: int = PLACES) -> None:
        self._lock = threading.Lock()
        self._free = places
        self._lines: dict[Urgency, deque[_Ticket]] = {urgency: deque() for urgency in Urgency}
        self._waiting = dict.fromkeys(Urgency, 0)
        self._pressure = _Pressure()

    def look(self, urgency: Urgency) -> None:
        """Raises Refused where `place` would at once; asked before a body is read."""
        with self._lock:
            refused = self._free <= 0 and self._is_hopeless(urgency, time.monotonic())
        if refused:
            refusal = self._refusal(urgency)
            # A client that comes back at once, whatever it is told, comes back no faster than this.
            time.sleep(min(MOST_HELD_BACK_SECONDS, int(refusal.headers["Retry-After"]) / 8))
            raise refusal

    @contextmanager
    def place(self, urgency: Urgency) -> Iterator[None]:
        """Raises Refused after having waited in vain."""
        self._enter(urgency)
        _of_thread.gate = self
        try:
            yield
        finally:
            _of_thread.gate = None
            self.leave()
            self._pressure.served()

    def leave(self) -> None:
        with self._lock:
            self._free += 1
            while self._free > 0 and (ticket := self._next()) is not None:
                self._free -= 1
                ticket.is_called = True
                ticket.alarm.release()

    def come_back(self) -> None:
        """After having stepped aside: who is half served does not stand in line again."""
        with self._lock:
            self._free -= 1

    def _enter(self, urgency: Urgency) -> None:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            hopeless = self._is_hopeless(urgency, time.monotonic())
            if not hopeless:
                ticket = _Ticket(urgency)
                self._lines[urgency].append(ticket)
                self._waiting[urgency] += 1
        if hopeless or not self._wait(ticket):
            raise self._refusal(urgency)

    def _wait(self, ticket: _Ticket) -> bool:
        if ticket.alarm.acquire(timeout=PATIENCE_SECONDS[ticket.urgency]):
            self._pressure.waited(time.monotonic() - ticket.since)
            return True
        with self._lock:
            if ticket.is_called:  # in the same moment
                return True
            ticket.has_left = True
            self._waiting[ticket.urgency] -= 1
            return False

    def _next(self) -> _Ticket | None:
        for line in self._lines.values():
            while line:
                ticket = line.popleft()
                if not ticket.has_left:
                    self._waiting[ticket.urgency] -= 1
                    return ticket
        return None

    def _is_hopeless(self, urgency: Urgency, now: float) -> bool:
        line = self._lines[urgency]
        while line and line[0].has_left:
            line.popleft()
        if not line:
            return False
        # A short line that does not move has met a stall, of the disk or of the machine; nobody is helped by refusals.
        is_slow = now - line[0].since > PATIENCE_SECONDS[urgency] / 2 and self._waiting[urgency] > PLACES
        return self._waiting[urgency] >= LONGEST_LINE[urgency] or is_slow

    def _refusal(self, urgency: Urgency) -> Refused:
        most = MOST_PAUSE_HELD_SECONDS if urgency is Urgency.HELD else MOST_PAUSE_SECONDS
        seconds = min(most, self._pressure.refused())
        # Whoever obeys to the second would come back in step with all others.
        told = random.randint(math.ceil(seconds), math.ceil(2 * seconds))
        message = f"the farm has more to do than it can; come back in {told} s"
        return Refused(503, message, headers={"Retry-After": str(told)})


@contextmanager
def stepping_aside() -> Iterator[None]:
    """Around a wait in the middle of a request: its place is free for others meanwhile."""
    gate: Gate | None = getattr(_of_thread, "gate", None)
    if gate is None:
        yield
        return
    gate.leave()
    try:
        yield
    finally:
        gate.come_back()


class _Ticket:
    __slots__ = ("urgency", "since", "alarm", "is_called", "has_left")

    def __init__(self, urgency: Urgency) -> None:
        self.urgency = urgency
        self.since = time.monotonic()
        self.alarm = threading.Lock()
        self.alarm.acquire()
        self.is_called = self.has_left = False


class _Pressure:
    """What was served and refused in the present second, and the pause that follows from the seconds before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = time.monotonic()
        self._served = self._refused = 0
        self._longest_wait = 0.0
        self._pause = 1.0
        self._shedding_since: float | None = None
        self._refused_at = 0.0
        self._refused_in_all = 0

    def served(self) -> None:
        with self._lock:
            self._served += 1
            self._turn(time.monotonic())

    def waited(self, seconds: float) -> None:
        self._longest_wait = max(self._longest_wait, seconds)

    def refused(self) -> float:
        """Counts a refusal; the pause to tell, in seconds."""
        with self._lock:
            now = self._refused_at = time.monotonic()
            self._refused += 1
            self._refused_in_all += 1
            if self._shedding_since is None:
                self._shedding_since = now
                logger.warning("There is more to do than can be done; some are told to come back", extra=_BEGINS)
            self._turn(now)
            return self._pause

    def _turn(self, now: float) -> None:
        if now - self._second < 1.0:
            return
        share = 2 * self._refused / max(1, self._served)
        self._pause = min(MOST_PAUSE_SECONDS, max(1.0, self._pause * min(2.0, max(0.7, share))))
        is_busy = self._longest_wait > BUSY_SECONDS or self._refused
        pace.set_stretch(pace.stretch() * (1.5 if is_busy else 0.9))
        self._second, self._served, self._refused, self._longest_wait = now, 0, 0, 0.0
        if self._shedding_since is not None and now - self._refused_at > CALM_SECONDS:
            extra = {"action": "shedding_ended", "refused": self._refused_in_all}
            logger.warning("Nobody is told to come back any more", extra=extra)
            self._shedding_since, self._refused_in_all = None, 0


_BEGINS = {"action": "shedding"}
