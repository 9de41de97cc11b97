"""Each process's picture of the lane registry: at most two seconds old, and never older than its own writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from .model import JobId, Requirement, Spans, WorkerId
from .ports import Bell, Clock
from .records.lanes import Lane, LaneRecords, Registry

TOUCH_EVERY_MS = 10 * 60 * 1000
"""A producer writes a row again when its knowledge of it is older than this; rows die after a day untouched."""
SURELY_TOUCHED_MS = TOUCH_EVERY_MS + 60 * 1000
"""A row untouched for so long is written by any producer before it puts a task, even if its clock is a bit off."""
LOOKED_AFTER_MS = 5 * 60 * 1000
"""For so long after a lane's top was corrected each sweep looks at its head: far longer than a producer takes from its
look at the row to its task, and than an index lags."""
FORGET_AFTER_MS = 24 * 3600 * 1000
FULL_MS = 1_000
"""How long a gate is taken for full that was found so."""
IN_MIND_MS = 60_000
"""How long is known which jobs stood in the way, and with what ids: they are asked about together after that second."""
NEW_LANE = "lanes"
"""Rings when a lane is seen for the first time."""
MOST_STOPS = 10_000
"""Workers of which is known where they stopped; who never comes again is forgotten first."""


class Stops(NamedTuple):
    """Where claims stopped that had seen enough, by partition of the ready index: up to which sort key."""

    shut: Mapping[str, str]
    """To everybody."""
    seen: Mapping[str, str]
    """By one worker, for which there was nothing; there may be for others."""


NO_STOPS = Stops({}, {})


class RegistryCache:
    def __init__(self, records: LaneRecords, clock: Clock, bell: Bell, fresh_seconds: float) -> None:
        self._records = records
        self._clock = clock
        self._bell = bell
        self._fresh_ms = int(fresh_seconds * 1000)
        self._lock = threading.Lock()
        self._registry: Registry | None = None
        self._read_at = 0
        self._num_forgotten = 0
        self._full: dict[JobId, int] = {}
        """Jobs whose gate was found full, and when."""
        self._spans: dict[JobId, tuple[int, Spans]] = {}
        """The ids of the tasks of jobs that stood in the way, and when that was asked."""
        self._stopped_at: dict[str, str] = {}
        """`Stops.shut`, of all partitions."""
        self._seen_up_to: dict[WorkerId, dict[str, str]] = {}
        """`Stops.seen`."""

    def read(self) -> Registry:
        with self._lock:
            registry, read_at = self._registry, self._read_at
        if registry is not None and 0 <= self._clock.now() - read_at < self._fresh_ms:
            return registry
        return self.refresh()

    def refresh(self) -> Registry:
        with self._lock:
            forgotten = self._num_forgotten
        read_at = self._clock.now()
        registry = self._records.read()
        with self._lock:
            if forgotten == self._num_forgotten:  # else another thread has written since this was read, perhaps
                self._registry, self._read_at = registry, read_at
        return registry

    def forget(self) -> None:
        """The next read asks the table: this process has just changed something."""
        with self._lock:
            self._registry = None
            self._num_forgotten += 1

    def will_queue(self, requirement: Requirement, priority: int) -> None:
        """Make sure the lane is known, with at least this priority, before a task is put into it."""
        now = self._clock.now()
        first = lane = self._lane(requirement)
        while lane is None or lane.top < priority or now - lane.touched_at >= TOUCH_EVERY_MS:
            top = max(priority, lane.top if lane is not None else 0)
            touched = self._records.touch(Lane(requirement, top, now))
            self.forget()
            if touched:
                break
            lane = self._lane(requirement)
        if first is None:  # nobody waits for a lane that did not exist: let all look again, and wait for this one too
            self._bell.ring(NEW_LANE, times=None)

    def _lane(self, requirement: Requirement) -> Lane | None:
        return next((lane for lane in self.read().lanes if lane.requirement == requirement), None)

    def full(self) -> set[JobId]:
        """Jobs that nobody more may enter, as far as this process found a moment ago."""
        now = self._clock.now()
        with self._lock:
            return {job for job, at in self._full.items() if now - at < FULL_MS}

    def lately_full(self) -> set[JobId]:
        """Those that were found so within the last minute, and are perhaps no longer."""
        now = self._clock.now()
        with self._lock:
            return {job for job, at in self._full.items() if FULL_MS <= now - at < IN_MIND_MS}

    def note_full(self, jobs: Iterable[JobId]) -> None:
        now = self._clock.now()
        with self._lock:
            lately = {job: at for job, at in self._full.items() if now - at < IN_MIND_MS}
            self._full = lately | dict.fromkeys(jobs, now)

    def note_room(self, job_id: JobId) -> None:
        with self._lock:
            self._full.pop(job_id, None)

    def spans(self) -> dict[JobId, Spans]:
        now = self._clock.now()
        with self._lock:
            return {job: spans for job, (at, spans) in self._spans.items() if now - at < IN_MIND_MS}

    def note_spans(self, job_id: JobId, spans: Spans) -> None:
        """Ids are given once, so what a job gets later is only not known yet."""
        now = self._clock.now()
        with self._lock:
            known = {job: (at, of) for job, (at, of) in self._spans.items() if now - at < IN_MIND_MS}
            self._spans = known | {job_id: (now, spans)}

    def note_stop(self, worker: WorkerId, stops: Stops) -> None:
        """The next claim that looks there goes on from these places; from what only it has seen, this worker's next."""
        with self._lock:
            self._stopped_at |= stops.shut
            if stops.seen:
                self._seen_up_to[worker] = {**self._seen_up_to.pop(worker, {}), **stops.seen}
            if len(self._seen_up_to) > MOST_STOPS:
                del self._seen_up_to[next(iter(self._seen_up_to))]

    def stopped_at(self, worker: WorkerId, partitions: Collection[str]) -> Stops:
        """Where to go on behind the heads of these: told once, so that after that somebody begins anew."""
        with self._lock:
            own = self._seen_up_to.get(worker, {})
            shut, seen = ({pk: of.pop(pk) for pk in partitions if pk in of} for of in (self._stopped_at, own))
            if not own:
                self._seen_up_to.pop(worker, None)
            return Stops(shut, seen)

    def halt(self, job_id: JobId, epoch: int) -> None:
        """No claim in this process gives away a task of the job from here on; others follow within two seconds."""
        self._records.halt(job_id, epoch)
        self.forget()

    def unhalt(self, job_id: JobId, epoch: int) -> None:
        """The job's tasks are in line with this epoch; a halt for a later one stays."""
        self._records.unhalt(job_id, epoch)
        self.forget()

    def prune(self, head: Callable[[Requirement], int | None]) -> None:
        """Forget lanes untouched for a day in which nothing stands: workers may have been away for the weekend.
        Producers refresh what they use far more often than an index lags. Those that have just become empty go behind
        the others. Those whose top was corrected lately, perhaps to less than what was just being put there, go by
        their head.

        `head`: the highest priority in a lane, None if it is empty; asked only where it matters.
        """
        now = self._clock.now()
        for lane in self.refresh().lanes:
            unused_ms, corrected_ms = now - lane.touched_at, now - lane.corrected_at
            is_due = unused_ms > (SURELY_TOUCHED_MS if lane.top > 0 else FORGET_AFTER_MS)
            if not is_due and corrected_ms >= LOOKED_AFTER_MS:
                continue
            top = head(lane.requirement)
            if top is None and unused_ms > FORGET_AFTER_MS:
                self._records.forget(lane)
            elif top is None and is_due:
                self._records.correct(lane, 0, now)
            elif top is not None and top > lane.top:
                self._records.correct(lane, top, now)
        self.forget()
