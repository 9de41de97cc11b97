"""Retries by people: what failed or was canceled, or tasks that they name, runs again within its job.

One write on the job decides (`restart_epoch`, and which tasks are meant); `settle` carries it out (`restarting.py`),
and whoever dies in between leaves that to anybody. A job that has ended is queued again by the same write. In one that
lives, what runs or waits is left alone. A step that followed on named tasks starts over, so it must not be at work.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from . import dependents, extending, tasks
from .errors import BadInput, Conflict, NotFound
from .farm import Farm
from .lifecycle import ENDED_JOBS, ENDED_TASKS, CursorStatus, JobStatus, StepStatus, TaskStatus
from .model import Job, JobId, Step, Task, TaskId
from .restarting import Chosen, descendants
from .settle import settle
from .windows import window_of

MOST_NAMED = 1_000
"""Tasks, or ranges of them, that one retry may name: they stand on the job's item."""
TRIES = 5

Choose = Callable[[Job, Sequence[Step]], Chosen]


def retry(farm: Farm, job_id: JobId, *, only_failed: bool = False, only_canceled: bool = False) -> Job:
    """Run again what failed or was canceled; only what failed and what that took along; or only what was canceled.
    What completed stays.

    Only what was canceled takes a cancel back. What was canceled because another task failed is canceled once more.
    """

    def choose(job: Job, steps: Sequence[Step]) -> Chosen:
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELED) and not _any_unfit(farm, steps):
            raise Conflict(f"nothing of this job failed or was canceled; it is {job.status.value}")
        if only_failed:
            _require_failed(farm, job, steps)
            return Chosen(frozenset({TaskStatus.FAILED}))
        if only_canceled:
            _require_canceled(farm, job, steps)
            return Chosen(frozenset({TaskStatus.CANCELED}))
        return Chosen()

    return _decide(farm, job_id, choose)


def _require_failed(farm: Farm, job: Job, steps: Sequence[Step]) -> None:
    if job.status is not JobStatus.FAILED and not _any(farm, steps, TaskStatus.FAILED):
        raise Conflict(
            f"nothing of this job failed; it is {job.status.value}: retry the whole job, and what was canceled runs"
        )


def _require_canceled(farm: Farm, job: Job, steps: Sequence[Step]) -> None:
    if job.status is not JobStatus.CANCELED and not _any(farm, steps, TaskStatus.CANCELED):
        raise Conflict(f"nothing of this job was canceled; it is {job.status.value}: retry the whole job")
    if job.on_failure == "stop" and _any(farm, steps, TaskStatus.FAILED):
        raise Conflict("this job stops at a failure, and would stop again at the one that it has; retry the whole job")


def retry_tasks(farm: Farm, job_id: JobId, task_ids: Sequence[TaskId]) -> Job:
    """Run these tasks of a job again, whatever became of them, and what was canceled because of them.

    Raises BadInput for a task that is not of this job, Conflict for one that has not ended.
    """
    if not 1 <= len(task_ids) <= MOST_NAMED:
        raise BadInput(f"1 to {MOST_NAMED:,} tasks can be named at once, not {len(task_ids):,}", field="tasks")

    def choose(job: Job, steps: Sequence[Step]) -> Chosen:
        named = [_named(farm, job, task_id) for task_id in dict.fromkeys(task_ids)]
        return Chosen(frozenset(), _indices([*named, *dependents.taken_along(farm, named)]))

    return _decide(farm, job_id, choose)


def retry_frames(farm: Farm, job_id: JobId, frames: str) -> Job:
    """Run again, in a job with frames, the tasks that these belong to, as far as they have ended.

    Raises BadInput for frames that the job does not have, Conflict when none of them has ended.
    """

    def choose(job: Job, steps: Sequence[Step]) -> Chosen:
        found = extending.steps_of_frames(farm, job, steps, frames)
        if sum(map(len, found.values())) > MOST_NAMED:
            raise BadInput(f"these are more than {MOST_NAMED:,} ranges of tasks; name fewer at once", field="frames")
        _require_ended(farm, job, steps, found)
        return Chosen(frozenset(), found)

    return _decide(farm, job_id, choose)


def _require_ended(farm: Farm, job: Job, steps: Sequence[Step], named: Mapping[int, Sequence[range]]) -> None:
    """By windows: no task is read."""
    ended = 0
    for number, ranges in named.items():
        step = steps[number]
        closed = [c for c in farm.cursors.of(step) if c.status is CursorStatus.CLOSED and not c.spent]
        for indices in ranges:
            for cursor in closed:
                if max(indices.start, cursor.given) < min(indices.stop, cursor.end):
                    raise Conflict("some of these were never begun; retry the whole job, and they run")
            if not ended and step.count:
                first, last = window_of(indices.start), window_of(indices.stop - 1)
                sides = (farm.windows.shut, farm.windows.done, farm.windows.open)
                windows = itertools.chain.from_iterable(side(step, first, last) for side in sides)
                states = (zip(window.indices, window.states(), strict=True) for window in windows)
                ended = any(index in indices and state in ENDED_TASKS for some in states for index, state in some)
    if not ended:
        raise Conflict(
            f"none of these has ended yet (the job is {job.status.value}); only what has ended can run again"
        )


def retry_task(farm: Farm, task_id: TaskId) -> Task:
    """Run one task again, as `retry_tasks` does; the task as it is then."""
    retry_tasks(farm, tasks.get(farm, task_id).job, [task_id])
    return tasks.get(farm, task_id)


def _named(farm: Farm, job: Job, task_id: TaskId) -> Task:
    task = farm.tasks.get(task_id)
    shown = task or tasks.find(farm, task_id)
    if shown is None or shown.job != job.id:
        raise BadInput(f"job {job.id} has no task {task_id}", field="tasks")
    if shown.status not in ENDED_TASKS:
        raise Conflict(f"task {task_id} ({shown.name}) is {shown.status.value}; only what has ended can run again")
    if task is None:
        raise Conflict(f"task {task_id} ({shown.name}) was never begun; retry the whole job, and it runs")
    return task


def _indices(chosen: Iterable[Task]) -> dict[int, list[range]]:
    """By step; neighbours are one range."""
    found: dict[int, list[range]] = {}
    for step, index in sorted({(task.step, task.index) for task in chosen}):
        ranges = found.setdefault(step, [])
        if ranges and ranges[-1].stop == index:
            ranges[-1] = range(ranges[-1].start, index + 1)
        else:
            ranges.append(range(index, index + 1))
    return found


def _any_unfit(farm: Farm, steps: Sequence[Step]) -> bool:
    opened = (step for step in steps if step.status is StepStatus.OPEN)
    return any(step.failed + step.canceled for step in steps) or any(
        window.has_unfit for step in opened for window in farm.windows.open(step)
    )


def _any(farm: Farm, steps: Sequence[Step], status: TaskStatus) -> bool:
    """Failed or canceled: of these, steps have sums over the windows that are shut."""
    opened = (step for step in steps if step.status is StepStatus.OPEN)
    return any(step.failed if status is TaskStatus.FAILED else step.canceled for step in steps) or any(
        status in window.states() for step in opened for window in farm.windows.open(step)
    )


def _decide(farm: Farm, job_id: JobId, choose: Choose) -> Job:
    for _ in range(TRIES):
        job = _ready(farm, job_id)
        steps = farm.jobs.steps(job_id)
        chosen = choose(job, steps)
        later = [step for step in steps if step.number in descendants(steps, chosen.steps)]
        busy = next((step for step in later if step.status is StepStatus.OPEN), None)
        if busy is not None:
            raise Conflict(f"step {busy.name!r} is at work on what these tasks made; try again when it has ended")
        waiting = [step for step in later if step.status is StepStatus.WAITING]
        if farm.jobs.restart(job, chosen.as_json(), waiting) is not None or _is_decided(farm, job, chosen):
            settle(farm, job_id)
            farm.bell.ring(f"job/{job_id}", times=None)
            return farm.jobs.get(job_id) or job
    raise Conflict("the job keeps changing; try again")


def _is_decided(farm: Farm, job: Job, chosen: Chosen) -> bool:
    """Just this, after a write that failed: sent again by the engine as its answer got lost, it met its own effect."""
    now = farm.jobs.get(job.id)
    return now is not None and (now.restart_epoch, now.restart_of) == (job.epoch + 1, chosen.as_json())


def _ready(farm: Farm, job_id: JobId) -> Job:
    """The job, if a retry of it can be decided."""
    job = farm.jobs.get(job_id)
    if job is not None and job.restart_epoch is not None:
        job = settle(farm, job_id)
    if job is None:
        raise NotFound(f"no such job: {job_id}")
    if job.restart_epoch is not None:
        raise Conflict("an earlier retry is still being carried out; try again in a moment")
    if job.status in ENDED_JOBS and not job.settled:
        raise Conflict("its last tasks are still ending; try again in a moment")
    if job.status in (JobStatus.PAUSED, JobStatus.COMPILING):
        do = "resume it first" if job.status is JobStatus.PAUSED else "try again in a moment"
        raise Conflict(f"the job is {job.status.value}; {do}")
    return job
