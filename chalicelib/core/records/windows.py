"""Access patterns of windows: open ones, and two kinds of shut ones."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from ..lifecycle import StepStatus
from ..model import JobId
from ..ports import (
    Absent,
    Add,
    Change,
    Check,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Include,
    Key,
    Put,
    Set,
    Table,
    Update,
)
from ..windows import Window
from . import job_items, keys
from .paging import pages

Side = tuple[str, str]
FAR = 10**8 - 1
"""No step has so many windows."""


class WindowRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    # ---- looking

    def open(self, job_id: JobId, step: int, first: int = 0, last: int = FAR) -> Iterator[Window]:
        """Those that still have a task to end, by number; lazily, page by page."""
        bounds = keys.open_window(job_id, step, first), keys.open_window(job_id, step, last)
        return self._between(*bounds)

    def shut(self, job_id: JobId, step: int, first: int = 0) -> Iterator[Window]:
        """Those that ended with a failed or a canceled task."""
        return self._between(keys.shut_window(job_id, step, first), keys.shut_window(job_id, step, FAR))

    def done(self, job_id: JobId, step: int, first: int = 0) -> Iterator[Window]:
        """Those of which every task completed."""
        return self._between(keys.done_window(job_id, step, first), keys.done_window(job_id, step, FAR))

    def all(self, job_id: JobId, step: int, first: int = 0) -> Iterator[Window]:
        sides = self.open(job_id, step, first), self.shut(job_id, step, first), self.done(job_id, step, first)
        return heapq.merge(*sides, key=lambda window: window.number)

    def some(self, job_id: JobId, step: int, limit: int) -> list[Window]:
        """The first few there are, of any kind."""
        found = self._table.query(keys.windows(job_id, step), limit=limit)
        return [job_items.window_from(item) for item in found.items]

    def last(self, job_id: JobId, step: int) -> int:
        """The greatest number there is; 0 if there is none."""
        greatest = 0
        for side in (keys.open_window, keys.shut_window, keys.done_window):
            first, last = side(job_id, step, 0), side(job_id, step, FAR)
            found = self._table.query(first.pk, first=first.sk, last=last.sk, descending=True, limit=1)
            greatest = max([greatest, *(job_items.window_from(item).number for item in found.items)])
        return greatest

    def any_open(self, job_id: JobId, step: int) -> bool:
        first, last = keys.open_window(job_id, step, 0), keys.open_window(job_id, step, FAR)
        return bool(self._table.query(first.pk, first=first.sk, last=last.sk, limit=1).items)

    def _between(self, first: Key, last: Key) -> Iterator[Window]:
        return (job_items.window_from(item) for item in pages(self._table, first.pk, first=first.sk, last=last.sk))

    # ---- writing

    def add(self, windows: Iterable[Window]) -> None:
        """Put-if-absent each, among the open and the shut ones: a repetition must not revive one that has closed."""
        self._table.write_many([[*_nowhere(window), _put(window)] for window in windows])

    def mark(self, job_id: JobId, step: int, number: int, marks: frozenset[int]) -> Window | None:
        """Add marks; the window as it is then, or None if it is shut (then its marks no longer matter)."""
        key = keys.open_window(job_id, step, number)
        if not marks:
            item = self._table.get(key)
            return None if item is None else job_items.window_from(item)
        update = Update(key, (Include("marks", marks),), (Exists(),))
        try:
            return job_items.window_from(self._table.update(update))
        except ConditionFailed:
            return None

    def void(self, job_id: JobId, step: int, number: int, marks: frozenset[int]) -> bool:
        """Add void marks, so that the window cannot shut over them. False if it is shut: reopen it first."""
        changes = (Include("marks", marks), Add("version", 1))
        try:
            self._table.update(Update(keys.open_window(job_id, step, number), changes, (Exists(),)))
        except ConditionFailed:
            return False
        return True

    def close(self, window: Window) -> bool:
        """Shut a full window and add it to its step's sums, once. False if it moved on meanwhile."""
        return self._turn(window, shut=True, sign=1)

    def reopen(self, window: Window) -> bool:
        """Open a shut window again and take its sums back; the step is open again too."""
        return self._turn(window, shut=False, sign=-1)

    def _turn(self, window: Window, *, shut: bool, sign: int) -> bool:
        counts = window.counts()
        changes: list[Change] = [Add(s.value, sign * counts[s]) for s in job_items.SUMMED if counts[s]]
        if not shut:
            changes += [Add("epoch", 1), Set("status", StepStatus.OPEN.value)]
        turned = job_items.turned(window, shut=shut)
        try:
            self._table.write(
                Delete(job_items.window_key(window), (Equals("version", window.version),)),
                _put(turned),
                Update(keys.step(window.job, window.step), tuple(changes), (Exists(),)),
            )
        except ConditionFailed:
            return False
        return True

    def remove(self, windows: Iterable[Window]) -> None:
        self._table.write_many([[Delete(job_items.window_key(window))] for window in windows])


def _put(window: Window) -> Put:
    return Put(job_items.window_item(window), (Absent(),))


def _nowhere(window: Window) -> list[Check]:
    shut = keys.shut_window(window.job, window.step, window.number)
    done = keys.done_window(window.job, window.step, window.number)
    return [Check(shut, (Absent(),)), Check(done, (Absent(),))]
