"""Putting the tasks of a step that trails another, when what they need has completed: see `trailing.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import making
from .errors import BadInput
from .farm import Farm
from .lifecycle import ENDED_JOBS, JobStatus, TaskStatus
from .model import Job, Step, Task, TaskInput
from .plans import Trail
from .ports import Check, TableUnavailable
from .records import task_writes
from .windows import Window, marks_of, window, window_of

TRIES = 20
"""Releases that met a decision about the job in the making."""
MOST_FILES = 1_000
"""That a task may get from those it needed: they stand in its item."""


@dataclass(frozen=True)
class Pair:
    """A step that trails, and the one that it trails, as they were read."""

    job: Job
    source: Step
    step: Step
    trail: Trail


def pair_of(farm: Farm, job: Job, steps: Sequence[Step], number: int) -> Pair:
    """Raises FarmError when this version of the farm no longer accepts the job's settings."""
    step = steps[number]
    trail = farm.plans.of(job)[number].trail
    assert step.trails is not None and trail is not None  # the one was made of the other
    return Pair(job, steps[step.trails], step, trail)


def release(farm: Farm, pair: Pair, ready: Sequence[int]) -> None:
    """Queue these tasks of one window, or pause them if their job is paused; those that are there already are passed
    over. Raises BadInput when a task would get too many files, TableUnavailable when decisions come without end."""
    for _ in range(TRIES):
        if not ready or pair.job.status in ENDED_JOBS or _put(farm, pair, ready):
            return
        job, steps = farm.jobs.whole(pair.job.id)
        if job is None or pair.step.number >= len(steps):
            return
        pair = replace(pair, job=job, step=steps[pair.step.number])
    raise TableUnavailable(f"job {pair.job.id} keeps changing")


def _put(farm: Farm, pair: Pair, ready: Sequence[int]) -> bool:
    """False: somebody has decided about the job, look again."""
    job, step = pair.job, pair.step
    found = dict(zip(ready, farm.tasks.get_many([step.base + index for index in ready]), strict=True))
    absent = [index for index, task in found.items() if task is None]
    waiting = [task for task in found.values() if task is not None and waits(task)]
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


def waits(task: Task) -> bool:
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
