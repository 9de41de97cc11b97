"""Access patterns of windows: open ones, and two kinds of shut ones."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..lifecycle import StepStatus
from ..model import JobId, Step
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
from ..windows import Window, window_of
from . import job_items, keys
from .paging import head, pages

Side = Callable[[JobId, int, int], Key]
SIDES: tuple[Side, ...] = (keys.open_window, keys.shut_window, keys.done_window)


class WindowRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    # ---- looking

    def open(self, step: Step, first: int = 0, last: int | None = None) -> Iterator[Window]:
        """Those that still have a task to end, by number; lazily, page by page."""
        return self._between(keys.open_window, step, first, last)

    def shut(self, step: Step, first: int = 0, last: int | None = None) -> Iterator[Window]:
        """Those that ended with a failed or a canceled task."""
        return self._between(keys.shut_window, step, first, last)

    def done(self, step: Step, first: int = 0, last: int | None = None) -> Iterator[Window]:
        """Those of which every task completed."""
        return self._between(keys.done_window, step, first, last)

    def all(self, step: Step) -> Iterator[Window]:
        return heapq.merge(self.open(step), self.shut(step), self.done(step), key=lambda window: window.number)

    def some(self, step: Step, limit: int) -> dict[Key, Window]:
        """The first few there are in some partition, of any kind, by their keys."""
        for number in _partitions(step):
            found = head(self._table, keys.windows(step.job, step.number, number), limit)
            if found:
                return {Key(item["pk"], item["sk"]): job_items.window_from(item) for item in found}
        return {}

    def numbered(self, step: Step, numbers: Sequence[int]) -> list[Window | None]:
        """These, open or shut; None: not there. One read for every 33; it may miss one that is just being shut."""
        sides = [side(step.job, step.number, number) for number in numbers for side in SIDES]
        found = self._table.get_many(sides)
        kinds = [found[at : at + len(SIDES)] for at in range(0, len(found), len(SIDES))]
        items = [next((item for item in kind if item is not None), None) for kind in kinds]
        return [None if item is None else job_items.window_from(item) for item in items]

    def last(self, step: Step) -> int:
        """The greatest number there is; 0 if there is none."""
        for number in reversed(_partitions(step)):
            pk = keys.windows(step.job, step.number, number)
            sides = (side(step.job, step.number, 0).sk[:5] for side in SIDES)
            found = [head(self._table, pk, 1, first=s, last=s + "~", descending=True) for s in sides]
            if any(found):
                return max(job_items.window_from(item).number for items in found for item in items)
        return 0

    def any_open(self, step: Step) -> bool:
        return next(self._between(keys.open_window, step, 0, limit=1), None) is not None

    def _between(
        self, side: Side, step: Step, first: int, last: int | None = None, limit: int = 100
    ) -> Iterator[Window]:
        end = window_of(step.count - 1) if last is None else last
        for number in _partitions(step):
            low, high = max(first, number), min(end, number + keys.WINDOWS_TOGETHER - 1)
            if low <= high:
                lowest, highest = side(step.job, step.number, low), side(step.job, step.number, high)
                found = pages(self._table, lowest.pk, first=lowest.sk, last=highest.sk, limit=limit)
                yield from (job_items.window_from(item) for item in found)

    # ---- writing

    def add(self, windows: Iterable[Window]) -> None:
        """Put-if-absent each, among the open and the shut ones: a repetition must not revive one that has closed."""
        self._table.write_many([[*_nowhere(window), _put(window)] for window in windows])

    def add_while(self, guard: Check, window: Window) -> bool:
        """Put-if-absent one, while the guard holds; False when it does not."""
        try:
            self._table.write(guard, *_nowhere(window), _put(window))
        except ConditionFailed as failed:
            return failed.position > 0
        return True

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

    def void(self, job_id: JobId, step: int, number: int, marks: frozenset[int], guard: Check) -> bool:
        """Add void marks, so that the window cannot shut over them. False if it is shut: reopen it first; or when the
        guard does not hold: a mark for a retry that is over would never go, and keep the window open for ever."""
        changes = (Include("marks", marks), Add("version", 1))
        try:
            self._table.write(guard, Update(keys.open_window(job_id, step, number), changes, (Exists(),)))
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

    def remove(self, windows: Iterable[Key], guard: Check | None = None) -> bool:
        """False when the guard did not hold; some may be gone."""
        guards = [] if guard is None else [guard]
        failures = self._table.write_many([[*guards, Delete(key)] for key in windows])
        return all(failed is None for failed in failures)


def _put(window: Window) -> Put:
    return Put(job_items.window_item(window), (Absent(),))


def _nowhere(window: Window) -> list[Check]:
    shut = keys.shut_window(window.job, window.step, window.number)
    done = keys.done_window(window.job, window.step, window.number)
    return [Check(shut, (Absent(),)), Check(done, (Absent(),))]


def _partitions(step: Step) -> range:
    """The first window of each."""
    return range(0, window_of(step.count - 1) + 1, keys.WINDOWS_TOGETHER)
