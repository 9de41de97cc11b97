"""Waking calls that wait for work: `LocalBell` inside one process, `PollingBell` where nobody can ring (Lambda).

The race that this must not lose: a waiter looks at the table and finds nothing; a task is committed and rung, with
nobody there to hear; the waiter goes to sleep on a queued task. Hence a waiter is registered before it looks, and a
ring for a waiter that does not sleep yet makes its next `wait` return at once.

A ring wakes exactly as many as there is work for. So one that was woken in vain passes it on, to somebody who has not
looked at the table since. `used()` says that a wake was not in vain; without it one other waiter looks for nothing.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self

from chalicelib.core.errors import Unavailable
from chalicelib.embedded.admission import stepping_aside


class _Ring(NamedTuple):
    topic: str
    number: int
    """Rings are counted; who looked at the table after a number was given has seen what that ring was about."""


class LocalBell:
    """`Bell` for the threads of one process. After `close` nobody waits any more: `wait` raises Unavailable."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A dict as an ordered set: who came first is woken first.
        self._waiters: dict[str, dict[LocalWaiter, None]] = {}
        self._count = 0
        self._closed = False

    def waiter(self, topics: Iterable[str]) -> LocalWaiter:
        waiter = LocalWaiter(self, tuple(dict.fromkeys(topics)))
        with self._lock:
            waiter.looks_after = self._count
            for topic in waiter.topics:
                self._waiters.setdefault(topic, {})[waiter] = None
        return waiter

    def ring(self, topic: str, *, times: int | None = 1) -> None:
        with self._lock:
            self._count += 1
            self._deliver(_Ring(topic, self._count), times)

    def close(self) -> None:
        """Every `wait` ends, now and from now on, with Unavailable: however its caller loops, it gets to answer."""
        with self._lock:
            self._closed = True
            for waiters in self._waiters.values():
                for waiter in waiters:
                    waiter.wake()

    # -- for waiters --

    def take_delivered(self, waiter: LocalWaiter) -> bool:
        """A ring that reached the waiter becomes its own: from now it looks at the table."""
        with self._lock:
            if waiter.delivered is None:
                return False
            waiter.taken, waiter.delivered = waiter.delivered, None
            waiter.looks_after = self._count
            return True

    def pass_on(self, waiter: LocalWaiter) -> None:
        """The ring that the waiter took led to nothing."""
        with self._lock:
            ring, waiter.taken = waiter.taken, None
            if ring is not None:
                self._deliver(ring, 1)

    def leave(self, waiter: LocalWaiter) -> None:
        with self._lock:
            for topic in waiter.topics:
                self._remove(topic, waiter)
            for ring in (waiter.taken, waiter.delivered):
                if ring is not None:
                    self._deliver(ring, 1)
            waiter.taken = waiter.delivered = None

    @property
    def is_closed(self) -> bool:
        return self._closed

    def _deliver(self, ring: _Ring, times: int | None) -> None:
        """To those who sleep before those who are about to look; never to who has looked since, or will anyhow."""
        able = [w for w in self._waiters.get(ring.topic, ()) if w.delivered is None and w.looks_after < ring.number]
        able.sort(key=lambda waiter: not waiter.is_asleep)
        for waiter in able[:times]:
            waiter.delivered = ring
            waiter.wake()

    def _remove(self, topic: str, waiter: LocalWaiter) -> None:
        waiters = self._waiters.get(topic, {})
        waiters.pop(waiter, None)
        if not waiters:
            self._waiters.pop(topic, None)


class LocalWaiter:
    """`Waiter` of a `LocalBell`, for one thread. What the bell delivers changes only under the bell's lock."""

    def __init__(self, bell: LocalBell, topics: Sequence[str]) -> None:
        self.topics = topics
        self.looks_after = 0
        self.delivered: _Ring | None = None
        self.taken: _Ring | None = None
        self.is_asleep = False
        self._bell = bell
        # A lock per waiter instead of a shared condition: waking one of 500 costs one wake, not 500.
        self._alarm = threading.Lock()
        self._alarm.acquire()

    def wait(self, seconds: float) -> bool:
        if self.taken is not None:
            self._bell.pass_on(self)
        if self._bell.take_delivered(self):
            return True
        with stepping_aside():
            self._sleep(seconds)
        was_rung = self._bell.take_delivered(self)
        if self._bell.is_closed and not was_rung:
            raise Unavailable("the farm is stopping; try again in a moment")
        return was_rung

    def used(self) -> None:
        """What the last ring was about has been taken by this waiter: nobody else needs to look for it."""
        self.taken = None

    def wake(self) -> None:
        """For the bell, under its lock. Only the bell releases and only the waiter acquires: one is pending at most."""
        if self._alarm.locked():
            self._alarm.release()

    def _sleep(self, seconds: float) -> None:
        self.is_asleep = True
        deadline = time.monotonic() + seconds
        while self.delivered is None and not self._bell.is_closed:
            left = deadline - time.monotonic()
            if left <= 0 or not self._alarm.acquire(timeout=left):
                break  # an alarm without a ring is left over from one that was taken without sleeping
        self.is_asleep = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bell.leave(self)


class PollingBell:
    """`Bell` where the one who commits cannot reach the one who waits: look again each 0.5 to 1 s."""

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, jitter: Callable[[], float] = random.random
    ) -> None:
        self._sleep = sleep
        self._jitter = jitter

    def waiter(self, topics: Iterable[str]) -> PollingWaiter:
        return PollingWaiter(self._sleep, self._jitter)

    def ring(self, topic: str, *, times: int | None = 1) -> None:
        pass


class PollingWaiter:
    """`Waiter` that says True after each short sleep, and False when the time is over."""

    def __init__(self, sleep: Callable[[float], None], jitter: Callable[[], float]) -> None:
        self._sleep = sleep
        self._jitter = jitter

    def wait(self, seconds: float) -> bool:
        interval = 0.5 + 0.5 * self._jitter()
        self._sleep(max(0.0, min(seconds, interval)))
        return interval < seconds

    def used(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass
