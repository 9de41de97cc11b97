"""The looks of a step that trails another (`trailing.py`): what completions did not release, and what never will be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from . import making
from .farm import Farm
from .lifecycle import ENDED_JOBS, StepStatus, TaskStatus
from .model import Job, Step, Task
from .ports import Add, Change, Remove, Set
from .records import task_writes
from .releasing import Pair, pair_of, release, waits
from .source_marks import Completed
from .trailing import look_later
from .turns import Turn
from .windows import Window, first_of, marks_of, window_of


def advance(farm: Farm, job: Job, steps: Sequence[Step], step: Step, turn: Turn) -> bool:
    """An open step of which not everything is decided: go on with its look, or begin the last one. True if something
    was done. Raises FarmError when a task cannot be made."""
    if job.status in ENDED_JOBS:
        _end(farm, step)
        return True
    pair = pair_of(farm, job, steps, step.number)
    if step.look_from is None:
        if pair.source.status not in (StepStatus.DONE, StepStatus.SKIPPED):
            return False
        begin = (Set("look_from", 0), Set("look_is_last", True), Set("epoch", step.epoch + 1))
        farm.jobs.change_step(step, None, *begin)
        return True
    if step.look_is_last and pair.source.status is StepStatus.OPEN:  # a retry has opened it again
        again = (Set("look_from", 0), Set("look_is_last", False), Set("epoch", step.epoch + 1))
        farm.jobs.change_step(step, None, *again)
        return True
    _look(farm, pair, turn)
    return True


def begin_look(farm: Farm, step: Step) -> None:
    """For a thorough sweep: look for what crashes and lost events have left."""
    if step.trails is not None and step.status is StepStatus.OPEN and not step.written:
        look_later(farm, step.job, step.number)


def _look(farm: Farm, pair: Pair, turn: Turn) -> None:
    step, last = pair.step, pair.step.look_is_last
    assert step.look_from is not None
    completed = Completed(farm.windows, pair.source)
    done = _Numbers(farm.windows.done(step, step.look_from))
    shut = _Numbers(farm.windows.shut(step, step.look_from))
    there = _Numbers(farm.windows.open(step, step.look_from))
    for number in range(step.look_from, window_of(step.count - 1) + 1):
        if turn.is_over:
            farm.jobs.change_step(step, None, Set("look_from", number), Set("epoch", step.epoch + 1))
            return
        if number in done or number in shut:
            continue
        indices = range(first_of(number), min(first_of(number + 1), step.count))
        ready = [index for index in indices if completed.has(pair.trail.sources(index))]
        release(farm, pair, ready)
        if last and (ready or number in there) and not _cancel(farm, pair, indices, frozenset(ready)):
            return
    if last:
        _end(farm, step)
    else:
        farm.jobs.change_step(step, None, Remove("look_from"), Set("epoch", step.epoch + 1))


class _Numbers:
    """Whether windows are among some, asked in rising order."""

    def __init__(self, windows: Iterator[Window]) -> None:
        self._windows = windows
        self._next = next(windows, None)

    def __contains__(self, number: int) -> bool:
        while self._next is not None and self._next.number < number:
            self._next = next(self._windows, None)
        return self._next is not None and self._next.number == number


def _cancel(farm: Farm, pair: Pair, indices: range, ready: frozenset[int]) -> bool:
    """End what will never be released of a window that was begun. False: somebody has decided about the job."""
    job, step = pair.job, pair.step
    tasks = {task.index: task for task in farm.tasks.range(step.base + indices.start, step.base + indices.stop - 1)}
    rest = [index for index in indices if index not in ready]
    now, reason = farm.clock.now(), f"needs tasks of step {pair.source.name!r} that did not complete"
    still = farm.jobs.still(job)
    waiting = [tasks[index] for index in rest if index in tasks and waits(tasks[index])]
    if waiting and not farm.tasks.move([task_writes.canceled(task, reason, now) for task in waiting], still):
        return False
    absent = [index for index in rest if index not in tasks]
    if absent:
        made = making.tasks(farm, making.opened(farm, job, step), absent)
        ended = [replace(t, status=TaskStatus.CANCELED, error=reason, finished_at=now) for t in made]
        if not farm.tasks.add(ended, still):
            return False
    if waiting or absent:
        there = farm.tasks.range(step.base + indices.start, step.base + indices.stop - 1)
        proven = frozenset[int]().union(*(marks_of(task) for task in there))
        known = farm.windows.mark(job.id, step.number, window_of(indices.start), proven)
        if known is not None and known.full:
            farm.windows.close(known)
    return True


def unreleased(window: Window, tasks: Iterable[Task]) -> list[int]:
    """What a window that was begun lacks."""
    there = {task.index for task in tasks}
    return [index for index in window.indices if index not in there]


def _end(farm: Farm, step: Step) -> None:
    """Nothing of it will be released any more: what no window knows is canceled, and joins the step's sum. Once."""
    sides = (farm.windows.open(step), farm.windows.shut(step), farm.windows.done(step))
    begun = {found.number: found.size for side in sides for found in side}
    left = step.count - sum(begun.values())
    changes: list[Change] = [Set("written", True), Remove("look_from"), Set("look_is_last", False)]
    if left:
        changes += [Set("left", left), Add("canceled", left)]
    farm.jobs.change_step(step, None, *changes, Set("epoch", step.epoch + 1))


def reopen(farm: Farm, job: Job, step: Step) -> int:
    """For a retry: what was never begun may be again, and what could not be released. Whether there was anything."""
    if step.status not in (StepStatus.OPEN, StepStatus.DONE) or not (step.written or step.look_is_last):
        return 0
    changes: list[Change] = [Set("written", False), Set("look_from", 0), Set("look_is_last", False)]
    if step.left is not None:
        changes += [Add("canceled", -step.left), Remove("left")]
    farm.jobs.reopen_step(job, step, *changes)
    return 1
