"""What the event feed does with changed tasks: DynamoDB's stream on AWS, the change log on one machine.

Records may come twice, late and out of order; only the task's key is taken from them, its state is read. So the feed
repeats what the request path does, moves a job to `active`, and keeps the displayed counts near the truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .counting import count_tasks
from .farm import Farm
from .lifecycle import ENDED_TASKS, JobStatus
from .model import JobId, Task, TaskId
from .ports import Set
from .settle import mark, task_ended
from .windows import window_of


def tasks_changed(farm: Farm, task_ids: Iterable[TaskId]) -> None:
    """These tasks have changed in some way."""
    tasks = [task for task in farm.tasks.get_many(sorted(set(task_ids))) if task is not None]
    windows: dict[tuple[JobId, int, int], list[Task]] = defaultdict(list)
    for task in tasks:
        windows[task.job, task.step, window_of(task.index)].append(task)
    for (job_id, step, number), changed in windows.items():
        _mark(farm, job_id, step, number, changed)
    for job_id in {task.job for task in tasks}:
        _roll_up(farm, job_id, [task for task in tasks if task.job == job_id])


def _mark(farm: Farm, job_id: JobId, step: int, number: int, changed: list[Task]) -> None:
    for task in changed:
        if task.status in ENDED_TASKS and task.children:
            task_ended(farm, task)  # it may have died before it looked after its children
    mark(farm, job_id, step, number, changed)


def _roll_up(farm: Farm, job_id: JobId, changed: list[Task]) -> None:
    job = farm.jobs.get(job_id)
    if job is None or job.settled:
        return
    began = [task.lease.granted_at for task in changed if task.lease] + [
        task.attempts[0].started_at for task in changed if task.attempts
    ]
    if began and job.status is JobStatus.QUEUED:
        since = () if job.started_at is not None else (Set("started_at", min(began)),)
        job = farm.jobs.transition(job, "start", *since) or job
    counts = count_tasks(farm, job, farm.jobs.steps(job_id))
    if counts != job.counts:
        farm.jobs.change(job, Set("counts", counts))
