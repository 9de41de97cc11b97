"""A retry by a person: what failed or was canceled runs again, with all its retries.

Window by window: a closed one is opened again (its sums are taken back, its step is open again), then each such task
is voided in its window, and only then queued on a new generation, so that no window can close over a task that is to
run. All of it happens while `restart_epoch` stands on the job; a process that dies leaves that, and settle goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import filling
from .aligning import audit_window, window_tasks
from .farm import Farm
from .lifecycle import StepStatus, TaskStatus
from .model import Job, Step, Task
from .ports import Remove
from .records import task_writes
from .turns import Turn
from .windows import Window, void_mark

AGAIN = (TaskStatus.FAILED, TaskStatus.CANCELED)


def restart(farm: Farm, job: Job, steps: Sequence[Step], turn: Turn) -> None:
    """One pass; when it finds nothing left to run again, the mark on the job goes. It may be cut short after anything
    that it found."""
    found = 0
    for step in steps:
        if step.status is StepStatus.SKIPPED:
            farm.jobs.revive_step(job, step)
            continue
        if step.shards:
            found += filling.reopen(farm, job, step)
        for window in farm.windows.shut(step):
            if window.has_unfit and _left(farm, job, step, window):
                found += 1
                farm.windows.reopen(window)
            if found and turn.is_over:
                return
        for window in farm.windows.open(step):
            # What is open now was shut, with all its marks: they spare the look at the tasks.
            if window.has_unfit and (again := _left(farm, job, step, window)):
                found += 1
                _requeue(farm, job, step, window, again)
            if found and turn.is_over:
                return
    if not found:
        farm.jobs.change(job, Remove("restart_epoch"))


def _left(farm: Farm, job: Job, step: Step, window: Window) -> list[Task]:
    """The tasks that this retry has not queued yet. One that fails again after it was queued is not among them."""
    assert job.restart_epoch is not None
    tasks = window_tasks(farm, step, window)
    return [task for task in tasks if task.status in AGAIN and task.requeued_epoch < job.restart_epoch]


def _requeue(farm: Farm, job: Job, step: Step, window: Window, again: Sequence[Task]) -> None:
    if not farm.windows.void(job.id, step.number, window.number, frozenset(void_mark(task) for task in again)):
        return  # it closed again meanwhile
    for requirement in {task.requirement for task in again}:
        farm.registry.will_queue(requirement, job.priority)
    priced = [replace(task, priority=job.priority) for task in again]
    updates = [task_writes.requeued(task, job.restart_epoch or 0, waiting=bool(task.parents)) for task in priced]
    if farm.tasks.move(updates, farm.jobs.still(job)):
        audit_window(farm, job, step, window)
