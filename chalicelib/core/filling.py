"""Large steps, looked after: cursors follow their job's decisions, holes are filled, and what was never given away is
counted (docs/architecture.md, Large steps). Every part is conditional and may be repeated.

A hole is an index below a cursor's `next` that has no task item. Filling it is a put-if-absent of the task as the job
wants it, under a check that nobody decided anything meanwhile: a claim that comes late finds the item and got nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import making
from .cursors import Cursor
from .farm import Farm
from .lifecycle import ENDED_JOBS, RUNNABLE_JOBS, CursorStatus, JobStatus
from .model import Job, Step, Task
from .windows import Window, window, window_of

LOOK_EVERY_MS = 45_000
"""A claim that has not put its tasks for so long has died: API Gateway holds a call for 29 s. Less than a minute, or of
the sweeps, which come each minute, every other one would come a moment too early."""


def write_windows(farm: Farm, cursor: Cursor) -> bool:
    """Every window that something was given away of gets its item, before anybody puts a task into it."""
    missing = range(max(cursor.windows, cursor.begun_windows.start), cursor.begun_windows.stop)
    if missing:
        farm.windows.add([window(cursor.job, cursor.step, cursor.count, number) for number in missing])
        farm.cursors.has_windows(cursor, missing.stop)
    return bool(missing)


# ---- decisions -----------------------------------------------------------------------------------------------------


def tell(farm: Farm, job: Job, step: Step) -> tuple[list[Cursor], int]:
    """Tell the cursors what their job wants: the cursors as they are then, and how many had to be told. They give no
    task away that the job does not want to run, and the windows of all that they gave away have their items."""
    cursors = farm.cursors.of(step)
    behind = [cursor for cursor in cursors if (cursor.stands if cursor.spent else cursor.epoch < job.epoch)]
    if behind and job.status in RUNNABLE_JOBS:
        farm.registry.will_queue(behind[0].requirement, job.priority)
    if behind:
        farm.cursors.decide([(cursor, _event(job, cursor)) for cursor in behind], job)
        cursors = farm.cursors.of(step)
    for cursor in cursors:
        write_windows(farm, cursor)
    return cursors, len(behind)


def _event(job: Job, cursor: Cursor) -> str | None:
    """What the cursor is to do; None if its status is right already."""
    if cursor.spent:
        return None
    if job.status in ENDED_JOBS:
        return None if cursor.status is CursorStatus.CLOSED else "close"
    if job.status is JobStatus.PAUSED:
        return "hold" if cursor.status is CursorStatus.OPEN else None
    return "open" if cursor.status is CursorStatus.HELD else None


def reopen(farm: Farm, job: Job, step: Step) -> int:
    """For a retry: what was never given away may be again, once `tell` has opened it. How many cursors were closed."""
    closed = [c for c in farm.cursors.of(step) if c.status is CursorStatus.CLOSED and not c.spent]
    for cursor in closed:
        farm.cursors.reopen(cursor, farm.jobs.restarts(job), farm.clock.now())
    return len(closed)


# ---- holes ---------------------------------------------------------------------------------------------------------


def holes(cursors: Iterable[Cursor], window: Window, tasks: Iterable[Task]) -> list[int]:
    """What was given away of this window and is not among its tasks."""
    cursor = next(cursor for cursor in cursors if cursor.first <= window.indices.start < cursor.end)
    there = {task.index for task in tasks}
    return [index for index in window.indices if index < cursor.given and index not in there]


def fill(farm: Farm, job: Job, step: Step, indices: Sequence[int]) -> bool:
    """Put the tasks of these indices, as the job wants them; False when somebody decided about the job meanwhile."""
    plan = making.opened_or_blank if job.status in ENDED_JOBS else making.opened
    of = plan(farm, job, step)
    tasks = making.tasks(farm, of, indices)
    for requirement in {task.requirement for task in tasks}:
        farm.registry.will_queue(requirement, job.priority)
    return farm.tasks.add(tasks, farm.jobs.still(job))


def _look(farm: Farm, job: Job, step: Step, cursor: Cursor) -> None:
    """Fill the holes below what `next` was at the last look, and note what it is now."""
    now = farm.clock.now()
    if cursor.solid < cursor.noted:
        bounds = window_of(cursor.solid), window_of(cursor.noted - 1)
        unmarked = [i for window in farm.windows.open(step, *bounds) for i in window.unmarked()]
        suspects = [index for index in unmarked if cursor.solid <= index < cursor.noted]
        found = farm.tasks.get_many([step.base + index for index in suspects])
        missing = [index for index, task in zip(suspects, found, strict=True) if task is None]
        if missing and not fill(farm, job, step, missing):
            return
    farm.cursors.note(cursor, now)


# ---- the end -------------------------------------------------------------------------------------------------------


def mend(farm: Farm, job: Job, step: Step, cursors: Iterable[Cursor]) -> bool:
    """What claims that died left half done, and the sum of what will never be given away. True if there was any."""
    return any([_mend(farm, job, step, cursor) for cursor in cursors])


def _mend(farm: Farm, job: Job, step: Step, cursor: Cursor) -> bool:
    if cursor.status is CursorStatus.CLOSED:
        if not cursor.over:
            farm.cursors.count_rest(cursor)
        return not cursor.over
    if cursor.spent and cursor.stands:
        farm.cursors.leave(cursor)
        return True
    if write_windows(farm, cursor):
        return True
    if cursor.solid == cursor.end or farm.clock.now() - cursor.noted_at < LOOK_EVERY_MS:
        return False
    _look(farm, job, step, cursor)
    return True
