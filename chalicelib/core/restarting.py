"""A retry by a person, carried out: the tasks that it means run again, with all their retries.

Window by window: a closed one is opened again (its sums are taken back, its step is open again), then each such task
is voided in its window, and only then queued on a new generation, so that no window can close over a task that is to
run. A step that was done with what those tasks made before starts over. All of it happens while `restart_epoch` stands
on the job; a process that dies leaves that, and settle goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from . import deleting, dependents, filling, trail_looks
from .aligning import audit_window, window_tasks
from .farm import Farm
from .lifecycle import ENDED_TASKS, StepStatus, TaskStatus
from .model import Job, Json, Step, Task
from .records import task_writes
from .turns import Turn
from .windows import Window, void_mark, window_of

UNFIT = frozenset({TaskStatus.FAILED, TaskStatus.CANCELED})
WINDOWS_AT_ONCE = 10


@dataclass(frozen=True)
class Chosen:
    """Which tasks a retry means: those in these statuses, and of `indices`, by step, whatever has ended."""

    statuses: frozenset[TaskStatus] = UNFIT
    indices: Mapping[int, Sequence[range]] | None = None
    """Steps that are not in it have no part in the retry."""

    def as_json(self) -> Json:
        if self.indices is not None:
            listed = {str(step): [[r.start, r.stop] for r in ranges] for step, ranges in self.indices.items()}
            return {"indices": listed}
        return None if self.statuses == UNFIT else {"statuses": sorted(status.value for status in self.statuses)}

    @property
    def steps(self) -> frozenset[int]:
        """Those of which tasks were named."""
        return frozenset(self.indices or ())

    def names(self, step: int, index: int) -> bool:
        return any(index in indices for indices in (self.indices or {}).get(step, ()))


def chosen_by(job: Job) -> Chosen:
    """What the retry that the job is at means."""
    said = job.restart_of or {}
    if "indices" in said:
        indices = {int(step): [range(*ends) for ends in listed] for step, listed in said["indices"].items()}
        # A job that stops at its first failure would stop again at one that stays.
        return Chosen(frozenset({TaskStatus.FAILED}) if job.on_failure == "stop" else frozenset(), indices)
    return Chosen(frozenset(map(TaskStatus, said["statuses"]))) if "statuses" in said else Chosen()


def restart(farm: Farm, job: Job, steps: Sequence[Step], turn: Turn) -> None:
    """One pass; when it finds nothing left to run again, the mark on the job goes. It may be cut short after anything
    that it found."""
    chosen = chosen_by(job)
    found = 0
    undone = descendants(steps, chosen.steps)
    for step in steps:
        if step.status is StepStatus.SKIPPED:
            farm.jobs.revive_step(job, step)
            continue
        if step.number in undone and step.status is StepStatus.DONE:
            found += 1
            _start_over(farm, job, step, turn)
            if turn.is_over:
                return
            continue
        if step.trails is not None and (chosen.indices is None or step.number in chosen.steps):
            found += trail_looks.reopen(farm, job, step)
        if step.shards and TaskStatus.CANCELED in chosen.statuses:
            found += filling.reopen(farm, job, step)
        for window in _shut(farm, step, chosen):
            if _left(farm, job, step, window, chosen):
                found += 1
                farm.windows.reopen(window)
            if found and turn.is_over:
                return
        for window in _open(farm, step, chosen):
            if again := _left(farm, job, step, window, chosen):
                found += 1
                _requeue(farm, job, step, window, again)
            if found and turn.is_over:
                return
    if not found:
        farm.jobs.restarted(job)


def descendants(steps: Sequence[Step], of: frozenset[int]) -> frozenset[int]:
    """The steps that wait for one of these, or for one that does."""
    found: frozenset[int] = frozenset()
    while (more := frozenset(step.number for step in steps if (of | found) & set(step.parents))) != found:
        found = more
    return found


# ---- windows with something to run again


def _shut(farm: Farm, step: Step, chosen: Chosen) -> Iterator[Window]:
    if chosen.statuses:
        yield from (window for window in farm.windows.shut(step) if window.has_unfit)
    for first, last in _named(step, chosen):
        yield from farm.windows.shut(step, first, last)
        yield from farm.windows.done(step, first, last)


def _open(farm: Farm, step: Step, chosen: Chosen) -> Iterator[Window]:
    if chosen.statuses:
        # What is open now was shut, with all its marks: they spare the look at the tasks.
        yield from (window for window in farm.windows.open(step) if window.has_unfit)
    for first, last in _named(step, chosen):
        yield from farm.windows.open(step, first, last)


def _named(step: Step, chosen: Chosen) -> list[tuple[int, int]]:
    """First and last windows of the indices that were named, each window once."""
    ends: list[tuple[int, int]] = []
    for indices in sorted((chosen.indices or {}).get(step.number, ()), key=lambda indices: indices.start):
        first, last = window_of(indices.start), window_of(indices.stop - 1)
        if ends and first <= ends[-1][1]:
            ends[-1] = ends[-1][0], max(last, ends[-1][1])
        else:
            ends.append((first, last))
    return ends


def _left(farm: Farm, job: Job, step: Step, window: Window, chosen: Chosen) -> list[Task]:
    """The tasks that this retry has not queued yet. One that fails again after it was queued is not among them."""
    assert job.restart_epoch is not None
    tasks = [task for task in window_tasks(farm, step, window) if task.requeued_epoch < job.restart_epoch]
    return [task for task in tasks if _is_meant(farm, task, chosen)]


def _is_meant(farm: Farm, task: Task, chosen: Chosen) -> bool:
    if task.status in chosen.statuses:
        return True
    if chosen.indices is None and task.status is TaskStatus.CANCELED:
        return dependents.was_taken_along(farm, task)
    return task.status in ENDED_TASKS and chosen.names(task.step, task.index)


def _waits(task: Task) -> bool:
    return bool(task.parents) or task.trails is not None


def _requeue(farm: Farm, job: Job, step: Step, window: Window, again: Sequence[Task]) -> None:
    void = frozenset(void_mark(task) for task in again)
    if not farm.windows.void(job.id, step.number, window.number, void, farm.jobs.restarts(job)):
        return  # it closed again meanwhile, or somebody else has carried out the retry
    for requirement in {task.requirement for task in again}:
        farm.registry.will_queue(requirement, job.priority)
    priced = [replace(task, priority=job.priority) for task in again]
    updates = [task_writes.requeued(task, job.restart_epoch or 0, waiting=_waits(task)) for task in priced]
    if farm.tasks.move(updates, farm.jobs.still(job)):
        audit_window(farm, job, step, window)


# ---- steps that start over


def _start_over(farm: Farm, job: Job, step: Step, turn: Turn) -> None:
    """What it was opened with is made anew: its tasks go, and it waits as a new one. Windows go last, each only while
    this retry stands: a later one's have the same keys."""
    while windows := farm.windows.some(step, WINDOWS_AT_ONCE):
        if turn.is_over:
            return
        for window in windows.values():
            deleting.remove_tasks(farm, step.base + window.indices[0], step.base + window.indices[-1])
        if not farm.windows.remove(windows, farm.jobs.restarts(job)):
            return
    if step.shards or step.trails is not None:
        farm.cursors.remove(step, farm.jobs.restarts(job))
    farm.jobs.reset_step(job, step)
