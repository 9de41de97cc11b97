"""One attempt while this worker holds it: its lease, what it is doing, and how it is told to stop.

The attempt's own thread runs it (`execution`); the contract, renew and watch threads extend its lease and stop it.
Stopping is a word (`StopReason`) plus an end to the command that runs at that moment; a command about to start sees
the word.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass

from millrace.agent.errors import Stopped
from millrace.agent.lease import Clock, Lease, boot_seconds
from millrace.agent.processes import ProcessTree
from millrace.agent.protocol import Assignment, JsonObject, LeaseId

NOTIFY_SECONDS = 5.0
"""How long a task that is asked to end may take before it is killed."""


class StopReason(enum.IntEnum):
    """Why an attempt must end. A later, higher reason replaces a lower one; nothing leads back."""

    RELEASED = 1
    """It was taken ahead, and its turn does not come soon or not at all: report `released`; no command has begun."""
    INTERRUPTED = 2
    """The worker is draining or asked to sleep: notify, wait, kill, report `interrupted` (costs the task no retry)."""
    CANCELED = 3
    """The farm asked: notify, wait, kill, report `canceled`."""
    OVERTIME = 4
    """The attempt ran longer than its `max_seconds`: notify, wait, kill, report `failed`."""
    IDLE = 5
    """Its commands showed no sign of life for its `idle_seconds`: notify, wait, kill, report `failed`."""
    EXPIRED = 6
    """The lease could not be renewed and is about to end: kill at once, report `interrupted`; too late is refused,
    and fine.
    """
    LOST = 7
    """The farm said the lease is lost, somebody else may have it: kill at once, upload nothing, report nothing."""

    @property
    def at_once(self) -> bool:
        return self >= StopReason.EXPIRED


@dataclass(frozen=True)
class Progress:
    """How far an attempt is: per cent or None, and what it is doing."""

    percent: float | None = None
    activity: str | None = None


class Attempt:
    """An assignment under way. All methods may be called from any thread."""

    def __init__(
        self,
        assignment: Assignment,
        lease: Lease,
        on_news: Callable[[], None] = lambda: None,
        clock: Clock = boot_seconds,
    ) -> None:
        """`on_news`: called when there is something that the farm should hear at once."""
        self.assignment = assignment
        self._clock = clock
        # Not when its lease began: the farm may have held the call for a while before there was a task for it.
        self.taken_at = clock()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._lease = lease
        self._reason: StopReason | None = None
        self._process: ProcessTree | None = None
        self._progress = Progress()
        self._told = Progress()
        self._told_at = lease.counted_from
        self._on_news = on_news
        self._is_urgent = False
        self._notify_seconds = NOTIFY_SECONDS
        self._lived_at: float | None = None
        self._begun_at: float | None = None
        self._waits_since: float | None = None
        self._waited_seconds = 0.0

    @property
    def id(self) -> LeaseId:
        return self.assignment.lease

    @property
    def lease(self) -> Lease:
        return self._lease

    @property
    def reason(self) -> StopReason | None:
        return self._reason

    @property
    def progress(self) -> Progress:
        return self._progress

    @property
    def lived_at(self) -> float | None:
        """When its commands last showed a sign of life; None while none runs."""
        return self._lived_at

    @property
    def runs_since(self) -> float | None:
        """When it got its slot; None before."""
        return self._begun_at

    def overtime_at(self) -> float | None:
        """When it will have taken all of its `max_seconds`, if it has such. The wait for a slot does not count."""
        limit = self.assignment.max_seconds
        if limit is None or self._waits_since is not None:
            return None
        return self.taken_at + self._waited_seconds + limit

    def waits(self) -> None:
        """Everything is here, and all slots are taken."""
        self._waits_since = self._clock()

    def waits_longer_than(self, seconds: float) -> bool:
        return self._waits_since is not None and self._clock() - self._waits_since >= seconds

    def begins(self) -> None:
        """It has a slot. Raises `Stopped` if it was stopped, or released, a moment before."""
        with self._lock:
            now = self._clock()
            if self._waits_since is not None:
                self._waited_seconds, self._waits_since = now - self._waits_since, None
            if self._reason is None:
                self._begun_at = now
        self.check()

    def release_unbegun(self) -> None:
        """Give it back, unless it has a slot: then it goes on."""
        with self._lock:
            if self._begun_at is not None or self._reason is not None:
                return
            self._reason = StopReason.RELEASED
        self.stopping.set()

    def lives(self) -> None:
        """A command begins, wrote something, or is at work otherwise."""
        self._lived_at = self._clock()

    def rests(self) -> None:
        """No command runs: what happens now may take its time."""
        self._lived_at = None

    def renewed(self, lease: Lease) -> None:
        """Answers may overtake each other: a lease is only ever extended."""
        with self._lock:
            if lease.abandon_at > self._lease.abandon_at:
                self._lease = lease

    def stop(self, reason: StopReason) -> None:
        """End the attempt for `reason`; returns at once, the ending itself runs on a thread of its own."""
        with self._lock:
            if self._reason is not None and reason <= self._reason:
                return
            self._reason = reason
            process = self._process
        self.stopping.set()
        if process is not None:
            threading.Thread(target=process.end, args=(self._grace_seconds(),), name=f"end {self.id}").start()

    def kill(self) -> None:
        """End the running command without notice; the attempt was stopped before, and nobody waits any longer."""
        process = self._process
        if process is not None:
            process.kill()

    def check(self) -> None:
        """Raises `Stopped` when the attempt must not go on.

        Looks at the lease itself: an agent that was frozen comes here before its watch thread has noticed.
        """
        if self._clock() >= self._lease.abandon_at:
            self.stop(StopReason.EXPIRED)
        if self.stopping.is_set():
            raise Stopped(f"the attempt was stopped: {self._reason.name.lower() if self._reason else 'ended'}")

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than the attempt lives: raises `Stopped`."""
        self.stopping.wait(seconds) if seconds > 0 else None
        self.check()

    def started(self, process: ProcessTree, notify_seconds: float = NOTIFY_SECONDS) -> None:
        """This command runs now; asked to end it may take `notify_seconds`. If the attempt was stopped a moment ago, it
        ends at once.
        """
        with self._lock:
            self._process, self._notify_seconds = process, notify_seconds
            reason = self._reason
        if reason is not None:
            process.end(self._grace_seconds())

    def ended(self) -> None:
        """No command runs now; what the last one left behind is ended."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end(min(1.0, self._grace_seconds()))

    def progressed(self, progress: Progress, *, urgent: bool = False) -> None:
        """`urgent`: somebody waits for this; it goes out at once."""
        with self._lock:
            self._progress = progress
            self._is_urgent |= urgent
        if urgent:
            self._on_news()

    def renewal(self, now: float, every_seconds: float) -> JsonObject | None:
        """What to send if a renewal is due: a third of the lease has passed, or there is urgent news, or news older
        than `every_seconds`.
        """
        with self._lock:
            news = self._progress != self._told and now - self._told_at >= every_seconds
            if now < self._lease.renew_at and not news and not self._is_urgent:
                return None
            self._told, self._told_at, self._is_urgent = self._progress, now, False
            return {**self.id.to_wire(), "progress": self._progress.percent, "activity": self._progress.activity}

    def _grace_seconds(self) -> float:
        return 0.0 if self._reason is not None and self._reason.at_once else self._notify_seconds
