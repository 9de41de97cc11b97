"""Steps that trail another: each of their tasks may begin when those tasks of the earlier step that it needs have
completed, not only when all have. Which those are, the plan says by two pure functions (`plans.Trail`).

A task of such a step, however many there are, has no item before it is released: it is virtual, and waits. Whoever
completes a task of the earlier step first marks it in its window, as ever, and then looks by the marks whether all is
there that some task of the later step needs. If so it puts that task, queued, put-if-absent, in a transaction with the
job's status. Of two who complete the last two at once each has marked before it looks, so the later one sees both.

Cost, for each completion: one read of the job with its steps; when that releases something, one read of the tasks to
release, one of their window, one of the tasks that they get files from, one transaction for each 99 of them (and one
for each window that is entered) and one mark. What is needed from other windows is read when all that is needed of
the own window is there: once for each window, not for each task, 33 windows to a read, and not on after the first that
lacks something. Nothing depends on how many tasks the steps have.

| dies between | who mends it |
|---|---|
| completion and mark, mark and release | the event feed, which repeats both; a thorough sweep; the *last look* |
| some of the tasks put | the same: what is there is passed over |
| step opened, what had completed before not seen | `look_from` stands on the step: settle goes on looking |
| job decided, released tasks not told | the decision's pass (`aligning.py`); later releases fail their check |

The last look comes when the earlier step is done: it goes through the windows of the later step once, releases what
may have been missed, and cancels, in windows that were begun, what needs a task that failed. Windows of which nothing
was ever released stay unwritten; they are counted as canceled in the step's sum (`left`), in the same write that ends
the look. A job that ends early does that at once. A retry takes the sum back (`reopen`), and looks from the start.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from . import making
from .compiling import Opened
from .errors import BadInput, FarmError
from .farm import Farm
from .lifecycle import ENDED_JOBS, STEP, JobStatus, StepStatus, TaskStatus, next_status
from .model import Job, JobId, Step, Task, TaskId, TaskInput
from .plans import Trail
from .ports import Add, Change, Check, Remove, Set, TableUnavailable
from .records import task_writes
from .source_marks import Completed
from .turns import Turn, begin_turn
from .windows import Window, first_of, marks_of, window, window_of

TRIES = 20
"""Releases that met a decision about the job in the making."""
MOST_FILES = 1_000
"""That a task may get from those it needed: they stand in its item."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """A step that trails, and the one that it trails, as they were read."""

    job: Job
    source: Step
    step: Step
    trail: Trail


def _pair(farm: Farm, job: Job, steps: Sequence[Step], number: int) -> Pair:
    """Raises FarmError when this version of the farm no longer accepts the job's settings."""
    step = steps[number]
    trail = farm.plans.of(job)[number].trail
    assert step.trails is not None and trail is not None  # the one was made of the other
    return Pair(job, steps[step.trails], step, trail)


def open_step(farm: Farm, of: Opened, base: TaskId) -> None:
    """Nothing is written of its tasks. It has nothing to look for when the step that it trails has not begun."""
    step, count = of.step, of.expansion.count
    pair = _pair(farm, of.job, farm.jobs.steps(of.job.id), step.number)
    changes: list[Change] = [
        Set("status", next_status(STEP, step.status, "open").value),
        Set("count", count),
        Set("base", base),
    ]
    if not pair.trail.covered or pair.source.status is not StepStatus.WAITING:
        changes.append(Set("look_from", 0))
    farm.cursors.open_step(step, base, count, (), farm.jobs.still(of.job), changes)


# ---- a task of the earlier step has completed ----------------------------------------------------------------------


def go_on(farm: Farm, tasks: Iterable[Task], marked: Window | None) -> bool:
    """Release what needed these tasks of one window, if they have completed and nothing else is lacking.

    `marked`: their window after that was noted in it, if it is still open. True: something is left for `settle`.
    """
    done = [task for task in tasks if task.trailed_by and task.status is TaskStatus.COMPLETED]
    if not done:
        return False
    job, steps = farm.jobs.whole(done[0].job)
    if job is None or job.status in ENDED_JOBS:
        return False
    return any([_follow(farm, job, steps, number, done, marked) for number in done[0].trailed_by])


def _follow(
    farm: Farm, job: Job, steps: Sequence[Step], number: int, done: Sequence[Task], marked: Window | None
) -> bool:
    if number >= len(steps) or steps[number].status is not StepStatus.OPEN:
        return False  # when it is opened, it looks for what it has missed
    try:
        pair = _pair(farm, job, steps, number)
        completed = Completed(farm.windows, pair.source, marked)
        targets = {index for task in done for indices in pair.trail.targets(task.index) for index in indices}
        turn = begin_turn(farm)
        for _, group in itertools.groupby(sorted(targets), window_of):
            if turn.is_over:
                return _look_later(farm, job.id, number)
            ready = [index for index in group if completed.has(pair.trail.sources(index))]
            _release(farm, pair, ready)
    except FarmError as error:
        log.warning("A step could not go on", extra={"action": "release_failed", "job": str(job.id), "why": str(error)})
        return _look_later(farm, job.id, number)
    return False


def _look_later(farm: Farm, job_id: JobId, number: int) -> bool:
    """Whatever keeps tasks from being released comes up again in `settle`, which has the time, or fails the job."""
    for _ in range(TRIES):
        step = farm.jobs.steps(job_id)[number]
        if step.status is not StepStatus.OPEN or step.written:
            return False
        if farm.jobs.change_step(step, None, Set("look_from", 0), Set("epoch", step.epoch + 1)) is not None:
            return True
    return True


def release_one(farm: Farm, task: Task) -> Task | None:
    """A task that waits again, after a retry: the task as it is after it was released; None if it still waits."""
    job, steps = farm.jobs.whole(task.job)
    if job is None or job.status in ENDED_JOBS:
        return None
    try:
        pair = _pair(farm, job, steps, task.step)
        if not Completed(farm.windows, pair.source).has(pair.trail.sources(task.index)):
            return None
        _release(farm, pair, [task.index])
    except FarmError:
        _look_later(farm, job.id, task.step)
        return None
    return farm.tasks.get(task.id)


# ---- releasing -----------------------------------------------------------------------------------------------------


def _release(farm: Farm, pair: Pair, ready: Sequence[int]) -> None:
    """Queue these tasks of one window, or pause them if their job is paused; those that are there already are passed
    over. Raises BadInput when a task would get too many files, TableUnavailable when decisions come without end."""
    for _ in range(TRIES):
        if not ready or pair.job.status in ENDED_JOBS or _put(farm, pair, ready):
            return
        job, steps = farm.jobs.whole(pair.job.id)
        if job is None:
            return
        pair = replace(pair, job=job, step=steps[pair.step.number])
    raise TableUnavailable(f"job {pair.job.id} keeps changing")


def _put(farm: Farm, pair: Pair, ready: Sequence[int]) -> bool:
    """False: somebody has decided about the job, look again."""
    job, step = pair.job, pair.step
    found = dict(zip(ready, farm.tasks.get_many([step.base + index for index in ready]), strict=True))
    absent = [index for index, task in found.items() if task is None]
    waiting = [task for task in found.values() if task is not None and _waits(task)]
    wanted = absent + [task.index for task in waiting]
    if not wanted:
        return True
    still = farm.jobs.still(job)
    files = {index: _files(farm, pair, index) for index in wanted}
    tasks = {task.index: task for task in making.tasks(farm, making.opened(farm, job, step), wanted, files=files)}
    for requirement in {task.requirement for task in tasks.values()}:
        farm.registry.will_queue(requirement, job.priority)
    paused = job.status is JobStatus.PAUSED
    moves = [
        task_writes.released_with(replace(task, priority=job.priority), tasks[task.index].work, paused=paused)
        for task in waiting
    ]
    if moves and not farm.tasks.move(moves, still):
        return False
    if absent and not _put_new(farm, step, [tasks[index] for index in absent], still):
        return False
    tasks |= {task.index: replace(tasks[task.index], generation=task.generation) for task in waiting}
    _note(farm, step, list(tasks.values()))
    return True


def _put_new(farm: Farm, step: Step, tasks: Sequence[Task], still: Check) -> bool:
    number = window_of(tasks[0].index)
    if farm.windows.numbered(step, [number]) == [None] and not farm.windows.add_while(still, _window(step, number)):
        return False
    return farm.tasks.add(tasks, still)


def _note(farm: Farm, step: Step, released: Sequence[Task]) -> None:
    """For the counts that people see."""
    marks = frozenset[int]().union(*(marks_of(task) for task in released))
    farm.windows.mark(step.job, step.number, window_of(released[0].index), marks)


def _waits(task: Task) -> bool:
    return task.status is TaskStatus.WAITING and task.deferred_until is None


def _window(step: Step, number: int) -> Window:
    made = window(step.job, step.number, step.count, number)
    return replace(made, waits=frozenset(range(made.size)))


def _files(farm: Farm, pair: Pair, index: int) -> list[TaskInput]:
    """What the tasks that it needed have brought back, in their order; of two files of one name the later."""
    folder = pair.trail.files_into
    if folder is None:
        return []
    found: dict[str, TaskInput] = {}
    for indices in pair.trail.sources(index):
        for start in range(indices.start, indices.stop, 100):
            ids = [pair.source.base + n for n in range(start, min(start + 100, indices.stop))]
            for task in farm.tasks.get_many(ids):
                for made in task.outputs if task is not None else ():
                    name = f"{folder}/{made.name}"
                    found[name] = TaskInput(name, made.blob, made.size, made.sha256)
            if len(found) > MOST_FILES:
                raise BadInput(
                    f"a task of step {pair.step.name!r} would get {len(found):,} files or more of step "
                    f"{pair.source.name!r}; {MOST_FILES:,} are possible: give it fewer frames"
                )
    return list(found.values())


# ---- settle --------------------------------------------------------------------------------------------------------


def advance(farm: Farm, job: Job, steps: Sequence[Step], step: Step, turn: Turn) -> bool:
    """An open step of which not everything is decided: go on with its look, or begin the last one. True if something
    was done. Raises FarmError when a task cannot be made."""
    if job.status in ENDED_JOBS:
        _end(farm, step)
        return True
    pair = _pair(farm, job, steps, step.number)
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
        _look_later(farm, step.job, step.number)


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
        _release(farm, pair, ready)
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
    waiting = [tasks[index] for index in rest if index in tasks and _waits(tasks[index])]
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


# ---- looking -------------------------------------------------------------------------------------------------------


def lacks_something(farm: Farm, task: Task) -> bool:
    """What it needs has not completed, or not all of it."""
    found = needed(farm, task)
    return found is not None and next(found[2], None) is not None


def needed(farm: Farm, task: Task) -> tuple[Job, Step, Iterator[int]] | None:
    """For people: the step that a task needs something of, and which of its tasks have not completed yet."""
    job, steps = farm.jobs.whole(task.job)
    if job is None:
        return None
    pair = _pair(farm, job, steps, task.step)
    completed = Completed(farm.windows, pair.source)
    indices = (index for part in pair.trail.sources(task.index) for index in part)
    return job, pair.source, (index for index in indices if not completed.has([range(index, index + 1)]))
