"""Tasks that wait: for other tasks of their step, or for the time at which a failure is to be tried again.

Whoever ends a parent looks at its children afterwards: first the own end is written, then the siblings are read
strongly. Of two parents that end at once the later one sees both, and both may release the child, since that write is
conditional on the child still waiting. A parent that did not complete takes its children with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import trailing
from .farm import Farm
from .lifecycle import ENDED_TASKS, RUNNABLE_JOBS, JobStatus, TaskStatus
from .model import Task
from .ports import ConditionFailed, Update
from .records import task_writes
from .windows import marks_of, window_of


def resolve(farm: Farm, ended: Task) -> None:
    """Release or cancel what waited for this task, and what waited for that."""
    pending = [ended]
    while pending:
        task = pending.pop()
        base = task.id - task.index
        for child in farm.tasks.get_many([base + index for index in task.children]):
            if child is not None and child.status is TaskStatus.WAITING:
                moved = release_if_ready(farm, child)
                if moved is not None and moved.status in ENDED_TASKS and moved.children:
                    pending.append(moved)


def release_if_ready(farm: Farm, child: Task) -> Task | None:
    """The child as it is after it was released or canceled; None if it still waits, or somebody else moved it."""
    if child.deferred_until is not None and child.deferred_until > farm.clock.now():
        return None
    if child.trails is not None and child.deferred_until is None:
        return trailing.release_one(farm, child)
    base = child.id - child.index
    parents = [parent for parent in farm.tasks.get_many([base + index for index in child.parents]) if parent]
    doomed = next((p for p in parents if p.status in (TaskStatus.FAILED, TaskStatus.CANCELED)), None)
    if doomed is not None:
        reason = f"needs task {doomed.name!r}, which {doomed.status.value}"
        return _move(farm, child, [task_writes.canceled(child, reason, farm.clock.now())], None)
    if len(parents) == len(child.parents) and all(p.status is TaskStatus.COMPLETED for p in parents):
        farm.registry.will_queue(child.requirement, child.priority)
        queued, paused = task_writes.released(child, paused=False), task_writes.released(child, paused=True)
        return _move(farm, child, [queued], RUNNABLE_JOBS) or _move(farm, child, [paused], (JobStatus.PAUSED,))
    return None


def was_taken_along(farm: Farm, task: Task) -> bool:
    """A canceled task that could not have run, since another that it needs did not complete."""
    if task.trails is not None:
        return trailing.lacks_something(farm, task)
    base = task.id - task.index
    parents = farm.tasks.get_many([base + index for index in task.parents])
    return any(parent is not None and parent.status is not TaskStatus.COMPLETED for parent in parents)


def taken_along(farm: Farm, ended: Sequence[Task]) -> list[Task]:
    """What was canceled because one of these did not complete, and because of that."""
    seen = {task.id for task in ended}
    found: list[Task] = []
    pending = list(ended)
    while pending:
        task = pending.pop()
        base = task.id - task.index
        children = farm.tasks.get_many([base + index for index in task.children])
        canceled = [child for child in children if child is not None and child.status is TaskStatus.CANCELED]
        new = [child for child in canceled if child.id not in seen]
        seen |= {child.id for child in new}
        found += new
        pending += new
    return found


def _move(farm: Farm, child: Task, updates: list[Update], job_statuses: tuple[JobStatus, ...] | None) -> Task | None:
    guard = [farm.jobs.runnable(child.job, job_statuses)] if job_statuses else []
    try:
        farm.tasks.write(*guard, *updates)
    except ConditionFailed:
        return None
    moved = farm.tasks.get(child.id)
    if moved is not None:
        window = farm.windows.mark(moved.job, moved.step, window_of(moved.index), marks_of(moved))
        if window is not None and window.full:
            farm.windows.close(window)
    return moved
