"""Why is this job, or this task, not running? From what is true now; nothing is changed.

For people, so it may cost more than a worker's call: the job and its steps, a page of one lane, a page of workers, and
a read or two for each worker that comes into question (at most `MOST_WORKERS`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from . import following, gates, tasks, trailing
from .farm import Farm
from .lifecycle import ENDED_JOBS, ENDED_TASKS, JobStatus, StepStatus, TaskStatus, WorkerStatus
from .model import Job, Requirement, Step, Task, Worker
from .reasons import Code, Reason, asleep, counted, several
from .scheduling import fits, kept_from
from .workers import liveness

MOST_WORKERS = 1000
MOST_AHEAD = 100
"""Counted; more are "at least"."""


def of_job(farm: Farm, job: Job) -> list[Reason]:
    """Those of its first queued task, and of the steps that are not open yet."""
    if job.status is JobStatus.COMPILING:
        return [Reason(Code.NEXT_CALL, "the job is being compiled; that takes a moment, or until the next sweep")]
    if job.status in ENDED_JOBS:
        text = f"the job is {job.status.value}"
        return [Reason(Code.NOT_WAITING, text) if job.settled else Reason(Code.JOB_ENDING, f"{text}; tasks are ending")]
    steps = farm.jobs.steps(job.id)
    closed = [reason for step in steps if step.status is StepStatus.WAITING for reason in _of_step(steps, step)]
    if job.status is JobStatus.PAUSED:
        return [_paused(), *closed]
    first = next(_queued_tasks(farm, job, steps), None)
    if first is not None:
        return [*_of_queued(farm, job, first), *closed]
    unbegun = all(step.status is StepStatus.WAITING for step in steps)
    if unbegun and (earlier := following.in_the_way(farm, job)[0]):
        names = several([f"{one.id} ({one.name}, {one.status.value})" for one in earlier])
        return [Reason(Code.WAITS_FOR_JOB, f"it comes after job {names}"), *closed]
    return closed or [Reason(Code.NOT_WAITING, "its tasks run or have ended, or wait for those that run")]


def of_task(farm: Farm, task: Task) -> list[Reason]:
    """The nearest reason first."""
    job = farm.jobs.get(task.job)
    if task.status in ENDED_TASKS or task.status is TaskStatus.ACTIVE:
        return [Reason(Code.NOT_WAITING, f"the task is {task.status.value}")]
    if job is not None and job.status in ENDED_JOBS:
        return [Reason(Code.JOB_ENDING, f"the job is {job.status.value}; the task is about to be")]
    if task.status is TaskStatus.PAUSED or (job is not None and job.status is JobStatus.PAUSED):
        return [_paused()]
    if task.status is TaskStatus.WAITING:
        return [_of_parents(farm, task)]
    return _of_queued(farm, job, task)


def _paused() -> Reason:
    return Reason(Code.JOB_PAUSED, "the job is paused; it goes on when somebody resumes it")


def _of_step(steps: Sequence[Step], step: Step) -> Iterator[Reason]:
    for parent in (steps[number] for number in step.parents):
        if parent.status is StepStatus.DONE:
            continue
        left = f", of which {parent.count - parent.ended} tasks are left" if parent.count else ", which has not begun"
        yield Reason(Code.WAITS_FOR_STEP, f"step {step.name!r} waits for step {parent.name!r}{left}")


def _of_parents(farm: Farm, task: Task) -> Reason:
    if task.deferred_until is not None:
        seconds = max(0, task.deferred_until - farm.clock.now()) // 1000
        return Reason(Code.NEXT_CALL, f"it failed, and is tried again in {seconds} s or soon after")
    if task.trails is not None:
        return _of_trail(farm, task)
    parents = farm.tasks.get_many([task.id - task.index + index for index in task.parents])
    left = [parent for parent in parents if parent is not None and parent.status is not TaskStatus.COMPLETED]
    if not left:
        return Reason(Code.NEXT_CALL, "what it waited for is complete; it is about to be queued")
    return Reason(
        Code.WAITS_FOR_TASKS,
        f"waits for {counted(len(left), 'task')}: {several([f'{p.name} ({p.status.value})' for p in left])}",
    )


def _of_trail(farm: Farm, task: Task) -> Reason:
    """What it lacks of the step that its own follows task by task."""
    needed = trailing.needed(farm, task)
    if needed is None:
        return Reason(Code.NEXT_CALL, "its job is gone")
    job, source, lacking = needed
    left = list(islice(lacking, MOST_AHEAD + 1))
    if not left:
        return Reason(Code.NEXT_CALL, "what it waited for is complete; it is about to be queued")
    if not source.count:
        return Reason(Code.WAITS_FOR_STEP, f"waits for tasks of step {source.name!r}, which has not begun")
    shown = (tasks.find(farm, source.base + index) for index in left[:4])
    names = [f"{one.name} ({one.status.value})" for one in shown if one is not None]
    names += [""] * (len(left) - len(names))
    return Reason(Code.WAITS_FOR_TASKS, f"waits for {several(names)} of step {source.name!r}")


def _queued_tasks(farm: Farm, job: Job, steps: Sequence[Step]) -> Iterator[Task]:
    for step in steps:
        for indices in tasks.may_be(farm, job, step, TaskStatus.QUEUED) if step.status is StepStatus.OPEN else ():
            yield from (t for t in tasks.of_step(farm, job, step, indices) if t.status is TaskStatus.QUEUED)


# ---- a queued task: who might take it, and why does nobody? --------------------------------------------------------


def _of_queued(farm: Farm, job: Job | None, task: Task) -> list[Reason]:
    if job is None or gates.fullness(farm, job) is None:
        return _of_workers(farm, task)
    full = Reason(Code.JOB_FULL, f"the job has reached its {counted(job.max_workers or 0, 'worker')}")
    # Who is free takes nothing of it before it has room, and what goes first is then not in its way either.
    return [full, *(one for one in _of_workers(farm, task) if one.code not in (Code.NEXT_CALL, Code.OTHERS_FIRST))]


def _of_workers(farm: Farm, task: Task) -> list[Reason]:
    groups: dict[Code, list[str]] = defaultdict(list)
    for worker in islice(farm.workers.all(), MOST_WORKERS):
        code, note = _standing(farm, worker, task)
        groups[code].append(f"{worker.name} ({note})" if note else worker.name)
    found = [Reason(code, _text(code, groups[code], task)) for code in Code if code in groups]
    if not found:
        return [Reason(Code.GONE, "no worker is registered with this farm")]
    if all(code is Code.OTHER_TYPE for code in groups):
        return [Reason(Code.OTHER_TYPE, f"no worker runs tasks of type {task.requirement.task_type!r}")]
    ahead = tasks.num_ahead(farm, task, MOST_AHEAD)
    if ahead and found[0].code in (Code.NEXT_CALL, Code.BUSY):
        number = f"at least {ahead}" if ahead == MOST_AHEAD else str(ahead)
        found.insert(0, Reason(Code.OTHERS_FIRST, f"{number} tasks of higher priority, or older ones, go first"))
    return found


def _standing(farm: Farm, worker: Worker, task: Task) -> tuple[Code, str]:
    """What keeps the worker from the task, cheapest to find out first; with a note where workers differ."""
    if (refusal := refused(task.requirement, worker)) is not None:
        return refusal
    status = liveness(farm, worker)
    if status in (WorkerStatus.OFFLINE, WorkerStatus.LOST):
        return Code.GONE, status.value
    if status is WorkerStatus.ERROR:
        return Code.BROKEN, ""
    if status is WorkerStatus.ASLEEP:
        return Code.ASLEEP, asleep(farm, worker)
    if worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.OFFLINE):
        return Code.ASLEEP, f"asked to be {worker.status_requested.value}"
    with_blocklist = farm.workers.get(worker.id) or worker
    if kept_from(with_blocklist, _shown(task)):
        return (Code.FAILED_HERE if worker.id in task.excluded else Code.BLOCKED), ""
    if len(farm.tasks.held_by(worker.id)) >= worker.slots:
        return Code.BUSY, ""
    return Code.NEXT_CALL, ""


def _shown(task: Task) -> Mapping[str, object]:
    return {"job": task.job, "task_type": task.requirement.task_type, "excluded": task.excluded}


def refused(requirement: Requirement, worker: Worker) -> tuple[Code, str] | None:
    """Why the worker may not serve this requirement; None if it may."""
    if fits(requirement, worker):
        return None
    if requirement.task_type not in worker.abilities:
        return Code.OTHER_TYPE, ""
    if requirement.worker not in (None, worker.id):
        return Code.OTHER_WORKER, ""
    if missing := sorted(requirement.require - worker.tags):
        return Code.LACKS_TAG, several(missing)
    return Code.HAS_FORBIDDEN_TAG, several(sorted(requirement.forbid & worker.tags))


def _text(code: Code, names: Sequence[str], task: Task) -> str:
    who = several(names)
    texts = {
        Code.NEXT_CALL: f"free, and take it with their next call: {who}",
        Code.BUSY: f"busy with other tasks: {who}",
        Code.FAILED_HERE: f"it failed before on: {who}; they get it again only when nobody else can take it",
        Code.BLOCKED: f"blocked for this job and task type after failures: {who}",
        Code.ASLEEP: f"asleep: {who}",
        Code.BROKEN: f"in error: {who}",
        Code.GONE: f"out of contact: {who}",
        Code.LACKS_TAG: f"without a tag that it requires: {who}",
        Code.HAS_FORBIDDEN_TAG: f"with a tag that it forbids: {who}",
        Code.OTHER_WORKER: f"it is pinned to another worker than: {who}",
        Code.OTHER_TYPE: f"do not run tasks of type {task.requirement.task_type!r}: {who}",
    }
    return texts[code]
