"""Bring a job's tasks in line with what a person decided about the job: pause, resume, cancel, priority.

The decision is one write on the job and bumps its epoch; here it reaches the tasks, in transactions that each check
that no newer decision was made. So a stale pass can never undo a newer one, and when a pass is through, no task stands
in a lane that its job does not want there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from . import dependents, filling, trail_looks
from .farm import Farm
from .lifecycle import ENDED_JOBS, ENDED_TASKS, RUNNABLE_JOBS, JobStatus, StepStatus, TaskStatus
from .model import Job, Step, Task
from .ports import Set, Update
from .records import task_writes
from .turns import Turn
from .windows import Window, marks_of


def align(farm: Farm, job: Job, steps: Sequence[Step], turn: Turn) -> None:
    """One pass over cursors and open windows; when it finds nothing to move, the job is in line with its epoch. A pass
    that is cut short has moved something, and so has no last word."""
    opened = [step for step in steps if step.status is StepStatus.OPEN]
    cursors_of = {step.number: filling.tell(farm, job, step) for step in opened if step.shards}
    moved = sum(told for _, told in cursors_of.values())
    for step in opened:
        cursors, _ = cursors_of.get(step.number, ([], 0))
        for window in farm.windows.open(step):
            tasks = window_tasks(farm, step, window)
            missing = filling.holes(cursors, window, tasks) if cursors and job.status not in RUNNABLE_JOBS else []
            if step.trails is not None and job.status in ENDED_JOBS:
                missing = trail_looks.unreleased(window, tasks)
            updates = [update for task in tasks if (update := _alignment(farm, job, task))]
            moved += len(missing) + len(updates)
            if missing and not filling.fill(farm, job, step, missing):
                return
            if updates and not _move(farm, job, tasks, updates):
                return
            if missing or updates:
                audit_window(farm, job, step, window)
                if turn.is_over:
                    return
    if not moved:
        farm.registry.unhalt(job.id, job.epoch)
        farm.jobs.change(job, Set("aligned_epoch", job.epoch))


def _move(farm: Farm, job: Job, tasks: Iterable[Task], updates: Sequence[Update]) -> bool:
    if job.status in RUNNABLE_JOBS:
        for requirement in {task.requirement for task in tasks}:
            farm.registry.will_queue(requirement, job.priority)
    return farm.tasks.move(updates, farm.jobs.still(job))


def _alignment(farm: Farm, job: Job, task: Task) -> Update | None:
    """What this job's status asks of this task, if anything."""
    priced = replace(task, priority=job.priority)
    if task.status in ENDED_TASKS:
        return None
    if job.status in ENDED_JOBS:
        reason = f"job {job.status.value}"
        if task.status is not TaskStatus.ACTIVE:
            return task_writes.canceled(task, reason, farm.clock.now())
        return task_writes.asked_to_stop(task, reason) if task.cancel_reason is None else None
    if job.status is JobStatus.PAUSED and task.status is TaskStatus.QUEUED:
        return task_writes.paused(task)
    if job.status in RUNNABLE_JOBS and task.status is TaskStatus.PAUSED:
        return task_writes.resumed(priced)
    return task_writes.reprioritised(priced) if task.priority != job.priority else None


def audit(farm: Farm, job: Job, step: Step) -> None:
    """Look into every task of a step's open windows."""
    if step.status is StepStatus.OPEN:
        trail_looks.begin_look(farm, step)
        for window in farm.windows.open(step):
            audit_window(farm, job, step, window)


def audit_window(farm: Farm, job: Job, step: Step, window: Window) -> None:
    """Give a window the marks that its tasks prove, release children whose parents are done, shut it if it is full."""
    tasks = list(window_tasks(farm, step, window))
    for task in tasks:
        if task.status is TaskStatus.WAITING and job.status not in ENDED_JOBS:
            dependents.release_if_ready(farm, task)
    proven = frozenset[int]().union(*(marks_of(task) for task in tasks))
    known: Window | None = window
    if not proven <= window.marks:
        known = farm.windows.mark(job.id, step.number, window.number, proven)
    if known is not None and known.full:
        farm.windows.close(known)


def window_tasks(farm: Farm, step: Step, window: Window) -> list[Task]:
    """Those that have an item."""
    return list(farm.tasks.range(step.base + window.indices[0], step.base + window.indices[-1]))
