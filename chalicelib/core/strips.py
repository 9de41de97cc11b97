"""All tasks of a step at a glance: how many are in which status, bucket by bucket. For pictures, never for decisions.

It is read from windows, as counts are, and no task is read. Windows whose tasks all completed are not read either:
what was given away and stands in no open window and in none that ended badly has completed. So a look at a million
tasks costs the windows in work, those with failed or canceled tasks, and the cursors. Of each kind `MOST_WINDOWS` are
read at most; the answer ends where these end, and `next` says where another look goes on. While tasks move from one
kind of window to the other, a look in between may show a hundred of them a moment too early.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .cursors import Cursor
from .farm import Farm
from .lifecycle import JobStatus, TaskStatus
from .making import unbegun_status
from .model import Job, Step
from .tasks import unreleased_status
from .windows import Window, first_of, window_of

MOST_WINDOWS = 500
MOST_BUCKETS = 2000
USUAL_BUCKETS = 500

Run = tuple[int, TaskStatus]
"""So many tasks one after the other, in this status."""


@dataclass(frozen=True)
class Strip:
    """Tasks by status from index `first` on, `size` of them in each bucket but the last."""

    first: int
    size: int
    buckets: tuple[Counter[TaskStatus], ...]
    next: int | None
    """Where the next look goes on; None: this is the end of what was asked for."""


def strip(farm: Farm, job: Job, step: Step, first: int = 0, last: int | None = None, size: int | None = None) -> Strip:
    """Of the indices from `first` up to `last` (not included), `size` together; left out: at most 500 buckets."""
    end = step.count if last is None else min(last, step.count)
    together = size or max(1, -(-(end - first) // USUAL_BUCKETS))
    stop = min(end, first + together * MOST_BUCKETS)
    if first >= stop:
        return Strip(first, together, (), None)
    look = _Look(farm, job, step, first, stop)
    whole = (look.stop - first) // together * together
    stop = first + whole if look.stop < end and whole else look.stop
    buckets = _gathered(look.runs(stop), together)
    return Strip(first, together, tuple(buckets), stop if stop < end else None)


class _Look:
    """What was found of the windows of [first, stop); `stop` is less than asked for when there were too many."""

    def __init__(self, farm: Farm, job: Job, step: Step, first: int, stop: int) -> None:
        self.first, self.stop = first, stop
        self._job, self._step = job, step
        self._known: dict[int, list[TaskStatus]] = {}
        # Given away after this look, a task is shown as queued; looked at the other way round, as completed.
        self._cursors: Sequence[Cursor] = farm.cursors.of(step) if step.shards else []
        bounds = window_of(first), window_of(stop - 1)
        self._take(farm.windows.open(step, *bounds))
        self._take(farm.windows.shut(step, *bounds))
        self._certain = self._certainly_begun(farm)
        for low, high in self._doubtful(*bounds):
            self._take(farm.windows.done(step, low, high))

    def _take(self, windows: Iterator[Window]) -> None:
        for found in islice(windows, MOST_WINDOWS):
            self._known[found.number] = found.states()
        rest = next(windows, None)
        if rest is not None:
            self.stop = min(self.stop, max(self.first + 1, first_of(rest.number)))

    def _certainly_begun(self, farm: Farm) -> list[range]:
        """Windows that have been written: those of them that were not found have all their tasks completed."""
        if self._step.shards:
            return [range(window_of(cursor.first), cursor.windows) for cursor in self._cursors]
        return [range(window_of(self._step.count - 1) + 1)] if self._all_written else []

    @property
    def _all_written(self) -> bool:
        """Of a step that trails another, what was never released has no window, also when it is done."""
        return self._step.written and self._step.left is None

    def _doubtful(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Windows, from and to, that may have been written or not."""
        if self._step.shards:
            ranges = [(max(low, c.windows), min(high, c.begun_windows.stop - 1)) for c in self._cursors]
        else:
            ranges = [] if self._all_written else [(low, high)]
        return ((start, end) for start, end in ranges if start <= end)

    def runs(self, stop: int) -> Iterator[Run]:
        """In order of index, up to `stop`."""
        index = self.first
        while index < stop:
            number = window_of(index)
            if number in self._known:
                for status in self._known[number][index - first_of(number) : stop - first_of(number)]:
                    yield 1, self._shown(status)
                index = first_of(number + 1)
            else:
                following = min(stop, first_of(number + 1))
                yield from self._unknown(number, following - index)
                index = following

    def _unknown(self, number: int, count: int) -> Iterable[Run]:
        if any(number in windows for windows in self._certain):
            return [(count, TaskStatus.COMPLETED)]
        if self._step.trails is not None:
            return [(count, unreleased_status(self._job, self._step))]
        counted = any(c.first <= first_of(number) < c.end and c.left is not None for c in self._cursors)
        return [(count, TaskStatus.CANCELED if counted else unbegun_status(self._job))]

    def _shown(self, status: TaskStatus) -> TaskStatus:
        """That the job is paused is not written into its windows."""
        is_held = status is TaskStatus.QUEUED and self._job.status is JobStatus.PAUSED
        return TaskStatus.PAUSED if is_held else status


def _gathered(runs: Iterable[Run], size: int) -> Iterator[Counter[TaskStatus]]:
    bucket, room = Counter[TaskStatus](), size
    for count, status in runs:
        while count:
            part = min(count, room)
            bucket[status] += part
            count, room = count - part, room - part
            if not room:
                yield bucket
                bucket, room = Counter(), size
    if bucket:
        yield bucket
