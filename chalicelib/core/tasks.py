"""Looking at tasks: those that have an item, and *virtual* ones, which a large step has and nobody has begun yet.

A virtual task is what its plan says, in the status that its job gives to what has not begun. Whoever looks at a task
by its id, or lists a step, looks here; whoever is about to change one asks `farm.tasks` for the item.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace

from . import making
from .errors import NotFound
from .farm import Farm
from .lifecycle import ENDED_JOBS, TaskStatus
from .model import Job, Step, Task, TaskId
from .records.keys import BUCKET
from .windows import Window, first_of, window_of


def get(farm: Farm, task_id: TaskId) -> Task:
    task = find(farm, task_id)
    if task is None:
        raise NotFound(f"no such task: {task_id}")
    return task


def find(farm: Farm, task_id: TaskId) -> Task | None:
    """One read; for a virtual task a few more."""
    task = farm.tasks.get(task_id)
    if task is not None:
        return task
    span = farm.cursors.span_of(task_id)
    if span is None:
        return None
    job, steps = farm.jobs.whole(span.job)
    # Of a job that is being deleted, or a step that starts over, the row may be the last that is there.
    if job is None or span.step >= len(steps) or steps[span.step].base != span.base:
        return None
    return next(_virtual(farm, job, steps[span.step], [task_id - span.base]), None)


def of_step(farm: Farm, job: Job, step: Step, indices: range | None = None) -> Iterator[Task]:
    """In order of index; lazily, a partition at a time."""
    wanted = range(step.count) if indices is None else indices
    first = wanted.start
    while first < wanted.stop:
        stop = min(wanted.stop, first + BUCKET - (step.base + first) % BUCKET)
        found = list(farm.tasks.range(step.base + first, step.base + stop - 1))
        if (step.shards or step.trails is not None) and len(found) < stop - first:
            there = {task.index for task in found}
            missing = [index for index in range(first, stop) if index not in there]
            found = list(heapq.merge(found, _virtual(farm, job, step, missing), key=lambda task: task.index))
        yield from found
        first = stop


def _virtual(farm: Farm, job: Job, step: Step, indices: list[int]) -> Iterator[Task]:
    made = making.tasks(farm, making.opened_or_blank(farm, job, step), indices)
    return (replace(task, created_at=job.created_at) for task in made)


def unreleased_status(job: Job, step: Step) -> TaskStatus:
    """Of what no window of a step that trails another knows yet."""
    return TaskStatus.CANCELED if job.status in ENDED_JOBS or step.left is not None else TaskStatus.WAITING


def _all_but(done: Iterator[Window], numbers: range) -> Iterator[int]:
    next_done = next(done, None)
    for number in numbers:
        while next_done is not None and next_done.number < number:
            next_done = next(done, None)
        if next_done is None or next_done.number != number:
            yield number


def num_ahead(farm: Farm, task: Task, most: int) -> int:
    """How many will be given away before this queued task, by the order of its lane; counted up to `most`."""
    ahead = farm.tasks.num_ahead(task, most)
    step = farm.jobs.step(task.job, task.step)
    if step is None:  # its job is being deleted
        return ahead
    own = [c.given for c in farm.cursors.of(step) if c.first <= c.given <= task.index < c.end]
    return min(most, ahead + sum(task.index - given for given in own))


def may_be(farm: Farm, job: Job, step: Step, status: TaskStatus | None, first: int = 0) -> Iterator[range]:
    """Ranges of indices from `first` on, in order, outside of which no task of the step has this status.

    They are looked up in the step's windows: a million completed tasks do not stand before one that failed.
    """
    every = range(window_of(first), window_of(step.count - 1) + 1)
    for number in every if status is None else _windows_with(farm, job, step, status, every.start):
        yield range(max(first, first_of(number)), min(step.count, first_of(number + 1)))


def _windows_with(farm: Farm, job: Job, step: Step, status: TaskStatus, first: int) -> Iterator[int]:
    kinds = [farm.windows.open(step, first), farm.windows.shut(step, first)]
    if status is TaskStatus.COMPLETED:
        kinds.append(farm.windows.done(step, first))
    begun = heapq.merge(*((window.number for window in kind) for kind in kinds))
    if step.trails is not None and step.count and status is unreleased_status(job, step):
        return _all_but(farm.windows.done(step, first), range(first, window_of(step.count - 1) + 1))
    if status is not making.unbegun_status(job):
        return begun
    untouched = [range(max(first, c.unbegun_from), window_of(c.end - 1) + 1) for c in farm.cursors.of(step)]
    return heapq.merge(begun, *untouched)
