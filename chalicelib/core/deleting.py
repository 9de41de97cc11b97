"""A job goes. One write hides it from everybody; then it is removed window by window: the tasks, their window, and at
last cursors, steps and the job. A window that is still there says what is left, so anybody can go on at any time: the
call that asked for it for a few seconds, after that errands, or the sweep."""

from __future__ import annotations

from . import compiling, following, logs
from .farm import Farm
from .lifecycle import JobStatus
from .model import JobId, Step, TaskId
from .turns import Turn

WINDOWS_AT_ONCE = 10


def begin(farm: Farm, job_id: JobId) -> None:
    """What can be done of it within a call; for a small job all."""
    go_on(farm, job_id, Turn(farm, farm.clock.now() + int(farm.limits.settle_seconds * 1000)))


def go_on(farm: Farm, job_id: JobId, turn: Turn) -> None:
    """Remove what is left of a job that was hidden; nothing for any other."""
    hidden = farm.jobs.hidden(job_id)
    if hidden is None:
        return
    steps = farm.jobs.steps(job_id)
    if not all(_remove_step(farm, step, turn) for step in steps):
        if farm.errands is not None:
            farm.errands.settle(job_id)
        return
    if hidden.is_followed and hidden.status is JobStatus.COMPLETED and not following.release(farm, hidden):
        return  # the sweep comes back
    while kept := farm.objects.list(compiling.job_folder(job_id)):  # a page of them
        for one in kept:
            farm.objects.delete(one.key)
    farm.jobs.remove(hidden, steps)


def remove_tasks(farm: Farm, first: TaskId, last: TaskId) -> None:
    """A window's worth, with what their attempts wrote; that first: who dies in between is called again."""
    logs.remove(farm, first, last)
    farm.tasks.remove(first, last)


def _remove_step(farm: Farm, step: Step, turn: Turn) -> bool:
    """False when the turn was over before all was done."""
    while windows := farm.windows.some(step, WINDOWS_AT_ONCE):
        if turn.is_over:
            return False
        for window in windows.values():
            remove_tasks(farm, step.base + window.indices[0], step.base + window.indices[-1])
        farm.windows.remove(windows)
    if step.shards or step.trails is not None:
        farm.cursors.remove(step)
    return True
