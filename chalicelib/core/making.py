"""From plan to task: what is written when a task comes into being, and what is shown of one that has no item yet."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .compiling import Opened
from .errors import NotFound, Refusal
from .farm import Farm
from .lifecycle import ENDED_JOBS, TASK, JobStatus, TaskStatus, next_status
from .model import Blob, BlobId, Job, JobId, Lease, Requirement, Step, Task, TaskId, TaskInput, Work
from .plans import Expansion, StepPlan, TaskPlan
from .results import results


def opened(farm: Farm, job: Job, step: Step) -> Opened:
    """The step with what its tasks are made from. Raises BadInput when the plan cannot go on with what the steps
    before it produced, or this version of the farm no longer accepts the job's settings, NotFound when the job goes."""
    known = farm.plans.opened(job.id, step.number, step.base) if step.count else None
    if known is not None:
        return replace(known, job=job, step=step)
    plan, trailed_by = _plan(farm, job, step)
    whole = [number for number in step.parents if number != step.trails]
    steps = farm.jobs.steps(job.id) if whole else []
    if whole and whole[-1] >= len(steps):
        raise NotFound(f"job {job.id} is being deleted")
    found = Opened(job, step, plan.expand(results(farm, [steps[number] for number in whole])), trailed_by)
    if step.count:
        farm.plans.keep(found)
    return found


def _plan(farm: Farm, job: Job, step: Step) -> tuple[StepPlan, tuple[int, ...]]:
    """The step's, and the numbers of the steps that trail it."""
    plans = farm.plans.of(job)
    if step.number >= len(plans):  # it got longer since it was read
        plans = farm.plans.of(farm.jobs.get(job.id) or job)
    trailed_by = (number for number, plan in enumerate(plans) if plan.trail and plan.trail.step == step.name)
    return plans[step.number], tuple(trailed_by)


def opened_or_blank(farm: Farm, job: Job, step: Step) -> Opened:
    """The same, for a large step that is to be looked at or ended in any case: of a task whose plan is lost only the
    index is known."""
    try:
        return opened(farm, job, step)
    except Refusal:  # not what cannot be read at this moment: a task that was written without it could never run
        cursors = farm.cursors.of(step)
        requirement = cursors[0].requirement if cursors else Requirement("unknown")
        blank = Expansion(step.count, lambda index: TaskPlan(f"{step.name} {index}", requirement, ()), alike=True)
        return Opened(job, step, blank)


def opened_before(farm: Farm, job_id: JobId, number: int, base: TaskId) -> Opened | None:
    """The same from memory; read only once per process. What may have changed since (status, name, priority) is that
    of then. None: the job is gone, or the step has started over and has another `base`."""
    known = farm.plans.opened(job_id, number, base)
    if known is not None:
        return known
    job, steps = farm.jobs.get(job_id), farm.jobs.steps(job_id)
    if job is None or number >= len(steps) or steps[number].base != base:
        return None
    return opened(farm, job, steps[number])


def tasks(
    farm: Farm,
    of: Opened,
    indices: Sequence[int],
    *,
    lease: Lease | None = None,
    children: Mapping[int, tuple[int, ...]] | None = None,
    files: Mapping[int, Sequence[TaskInput]] | None = None,
) -> list[Task]:
    """These tasks as they first are: by their job's status, or under a claim's lease.

    `files`: what the tasks of a step that trails another get from those they needed, which have completed.
    """
    plans = [(index, of.expansion.task(index)) for index in indices]
    blobs = farm.blobs.remembered(sorted({blob for _, plan in plans for _, blob in plan.inputs}))
    now = farm.clock.now()
    made = [_task(of, index, plan, blobs, now, lease, (children or {}).get(index, ())) for index, plan in plans]
    return made if files is None else [_released(of.job, task, files[task.index]) for task in made]


def _released(job: Job, task: Task, files: Sequence[TaskInput]) -> Task:
    """An input that the step itself names stands before a file of the same name that was brought back."""
    inputs = {given.name: given for given in (*files, *task.work.inputs)}
    return replace(task, status=unbegun_status(job), work=replace(task.work, inputs=tuple(inputs.values())))


def _task(
    of: Opened,
    index: int,
    plan: TaskPlan,
    blobs: Mapping[BlobId, Blob],
    now: int,
    lease: Lease | None,
    children: tuple[int, ...],
) -> Task:
    job, step = of.job, of.step
    requirement, wishes = required(plan.requirement, job.tags)
    status = first_status(job, plan, waits=step.trails is not None and step.left is None)
    if lease is not None:
        status = next_status(TASK, TaskStatus.QUEUED, "claim")
    if step.left is not None:
        status = TaskStatus.CANCELED
    ended = status is TaskStatus.CANCELED
    return Task(
        id=step.base + index,
        job=job.id,
        job_name=job.name,
        step=step.number,
        index=index,
        name=plan.name,
        status=status,
        requirement=requirement,
        wishes=wishes,
        priority=job.priority,
        own_priority=plan.own_priority,
        work=_work(job, plan, blobs),
        parents=plan.parents,
        children=children,
        generation=lease.generation if lease is not None else 0,
        lease=lease,
        requeued_epoch=0,
        failures=0,
        max_retries=job.max_retries,
        excluded=frozenset(),
        attempts=(),
        cancel_reason=None,
        progress=0,
        activity="",
        outputs=(),
        result=None,
        error=f"job {job.status.value}" if ended else None,
        created_at=now,
        finished_at=(job.finished_at or now) if ended else None,
        trails=step.trails,
        trailed_by=of.trailed_by,
        gated=job.gated,
    )


def _work(job: Job, plan: TaskPlan, blobs: Mapping[BlobId, Blob]) -> Work:
    max_seconds = job.max_seconds if plan.max_seconds is None else plan.max_seconds
    idle_seconds = job.idle_seconds if plan.idle_seconds is None else plan.idle_seconds
    return Work(plan.commands, _inputs(plan, blobs), plan.outputs, max_seconds, idle_seconds, plan.once)


def _inputs(plan: TaskPlan, blobs: Mapping[BlobId, Blob]) -> tuple[TaskInput, ...]:
    return tuple(
        TaskInput(name, blob, blobs[blob].size, blobs[blob].sha256)
        if blob in blobs
        else TaskInput(name, blob, None, None)
        for name, blob in plan.inputs
    )


@functools.lru_cache(maxsize=4096)  # the thousands of tasks of a job have a few
def required(requirement: Requirement, tags: tuple[str, ...]) -> tuple[Requirement, frozenset[str]]:
    """A task's own requirement and its job's tags together, and the tags that are only wished for."""
    require = {tag.removeprefix("+") for tag in tags if tag[:1] not in ("-", "~")}
    forbid = {tag[1:] for tag in tags if tag.startswith("-")}
    wishes = frozenset(tag[1:] for tag in tags if tag.startswith("~"))
    together = replace(requirement, require=requirement.require | require, forbid=requirement.forbid | forbid)
    return together, wishes


def first_status(job: Job, plan: TaskPlan, *, waits: bool = False) -> TaskStatus:
    """`waits`: for tasks of another step."""
    return TaskStatus.WAITING if (plan.parents or waits) and job.status not in ENDED_JOBS else unbegun_status(job)


def unbegun_status(job: Job) -> TaskStatus:
    """Of a task that waits for nothing but a worker."""
    if job.status in ENDED_JOBS:
        return TaskStatus.CANCELED
    return TaskStatus.PAUSED if job.status is JobStatus.PAUSED else TaskStatus.QUEUED


def children_of(expansion: Expansion) -> dict[int, tuple[int, ...]]:
    """The edges, the other way round."""
    children: dict[int, list[int]] = {}
    for index in range(expansion.count):
        for parent in expansion.task(index).parents:
            children.setdefault(parent, []).append(index)
    return {parent: tuple(indices) for parent, indices in children.items()}
