"""What people do with jobs: submit, look, pause, resume, cancel, retry, change priority, delete.

Each decision is one conditional write on the job (status and epoch), followed by `settle`, which carries it out and
may be repeated by anybody. A process that dies between the two has decided, and the sweep carries it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from . import blobs, compiling, counting, deleting, following, gates, hooks
from .errors import BadInput, Conflict, NotFound
from .farm import Farm
from .lifecycle import ENDED_JOBS, RUNNABLE_JOBS, JobStatus
from .model import BlobId, Job, JobId, Json, Step, TaskInput
from .ports import ConditionFailed, Set
from .records import task_writes
from .retry_policy import TypePolicy, policy_from
from .retrying import retry as retry
from .settle import decided, end_early, settle

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .plans import JobType, StepPlan

TRIES = 5
"""Decisions about one job made at the same moment; more than two people are not expected."""


@dataclass(frozen=True)
class Submission:
    """A job as somebody wants it. Defaults are the API's."""

    name: str
    type: str
    settings: Json = field(default_factory=dict)
    priority: int = 50
    tags: tuple[str, ...] = ()
    max_retries: int | None = None
    """Of each task; None: as is said of the type, else 3."""
    on_failure: str = "continue"
    annotations: Mapping[str, Json] = field(default_factory=dict)
    retry: Json = None
    """A retry policy as JSON (`retry_policy`), checked; None: the usual one."""
    after: tuple[JobId, ...] = ()
    """Jobs that must complete before it starts; if one of them does not, it fails."""
    max_workers: int | None = None
    """How many of its tasks may run at once; None: as many as there are workers."""


def submit(
    farm: Farm, wanted: Submission, *, owner: str | None = None, once: str | None = None, check_blobs: bool = True
) -> Job:
    """Accept a job and start it. With `once` (an idempotency key) a repetition gives the first call's job.

    Raises BadInput (names the field), ObjectMissing (names the blobs), Conflict (the key was used for something else).
    """
    kind, settings, plan = _checked(farm, wanted)
    if check_blobs:
        blobs.require_stored(farm, kind.blobs(settings))
    else:
        blobs.hold(farm, kind.blobs(settings).values())
    job = _new_job(farm, wanted, owner)
    try:
        farm.jobs.create(job, ("submit", once, _digest(wanted)) if once else None)
    except ConditionFailed as taken:
        if not _is_own(taken, job, once):
            if job.settings_key is not None:
                farm.objects.delete(job.settings_key)
            if once is None or taken.position > 0:  # of the jobs that it comes after one has just been deleted
                following.check(farm, wanted.after)
                raise
            return _first(farm, taken, wanted)
    farm.plans.remember(job, plan)
    return settle(farm, job.id) or job


def check(farm: Farm, wanted: Submission) -> None:
    """Raises BadInput for what `submit` would refuse whatever its blobs are: nothing is stored, and no blob looked up.

    For whoever has yet to upload them, which may take hours."""
    _checked(farm, wanted)


def _checked(farm: Farm, wanted: Submission) -> tuple[JobType, BaseModel, Sequence[StepPlan]]:
    _check(wanted)
    kind = compiling.job_type(farm.job_types, wanted.type)
    settings, plan = compiling.checked(kind, wanted.settings)
    following.check(farm, wanted.after)
    return kind, settings, plan


def _is_own(taken: ConditionFailed, job: Job, once: str | None) -> bool:
    """The engine sent the write again, as its answer got lost, and it met its own effect: nobody else has this id."""
    return taken.position == 0 and (once is None or (taken.item or {}).get("job") == job.id)


def _new_job(farm: Farm, wanted: Submission, owner: str | None) -> Job:
    policy = farm.type_policies.of(wanted.type)
    job_id = farm.ids.block(2)  # the second is for the only task of a one-task first step
    text = compiling.settings_text(wanted.settings)
    large = len(text) > farm.limits.inline_bytes
    if large:
        farm.objects.put(compiling.settings_key(job_id), text)
    return Job(
        id=job_id,
        name=wanted.name,
        type=wanted.type,
        status=JobStatus.COMPILING,
        priority=wanted.priority,
        tags=wanted.tags,
        max_retries=_max_retries(wanted, policy),
        on_failure=wanted.on_failure,
        settings=None if large else wanted.settings,
        settings_key=compiling.settings_key(job_id) if large else None,
        epoch=1,
        aligned_epoch=1,
        restart_epoch=None,
        counts={},
        outputs=(),
        error=None,
        created_at=farm.clock.now(),
        started_at=None,
        finished_at=None,
        annotations=wanted.annotations,
        owner=owner,
        retry=policy_from(wanted.retry),
        max_seconds=policy.max_seconds,
        idle_seconds=policy.idle_seconds,
        after=wanted.after,
        max_workers=wanted.max_workers,
        gated=wanted.max_workers is not None,
    )


USUAL_RETRIES = 3


def _max_retries(wanted: Submission, policy: TypePolicy) -> int:
    said = (wanted.max_retries, policy.max_retries, USUAL_RETRIES)
    return next(number for number in said if number is not None)


def _check(wanted: Submission) -> None:
    if not wanted.name or len(wanted.name) > 200 or not wanted.name.isprintable():
        raise BadInput("name must be 1 to 200 printable characters", field="name")
    check_priority(wanted.priority)
    gates.check(wanted.max_workers)
    if not 0 <= (wanted.max_retries or 0) <= 100:
        raise BadInput(f"max_retries must be 0 to 100, not {wanted.max_retries}", field="max_retries")
    if wanted.on_failure not in ("continue", "stop"):
        raise BadInput(f"on_failure must be continue or stop, not {wanted.on_failure!r}", field="on_failure")
    for tag in wanted.tags:
        if not tag.strip("+-~") or len(tag) > 100 or not tag.isprintable():
            raise BadInput(f"a tag must be 1 to 100 printable characters, not {tag[:40]!r}", field="tags")


def check_priority(priority: int) -> None:
    if not 0 <= priority <= 100:
        raise BadInput(f"priority must be 0 to 100 (higher first), not {priority}", field="priority")


def _digest(wanted: Submission) -> str:
    shown = json.dumps(wanted.__dict__, sort_keys=True, default=list)
    return hashlib.sha256(shown.encode()).hexdigest()


def _first(farm: Farm, taken: ConditionFailed, wanted: Submission) -> Job:
    record = taken.item
    if record is None or record.get("digest") != _digest(wanted):
        raise Conflict("this Idempotency-Key was used for another submission; use a new key for a new job") from None
    job_id = int(record["job"])
    return settle(farm, job_id) or get(farm, job_id)


# ---- looking -------------------------------------------------------------------------------------------------------


def get(farm: Farm, job_id: JobId) -> Job:
    job = farm.jobs.get(job_id)
    if job is None:
        raise NotFound(f"no such job: {job_id}")
    return job


@dataclass(frozen=True)
class Progress:
    counts: Mapping[str, int]
    percent: int
    steps: Sequence[Step]


def progress(farm: Farm, job: Job) -> Progress:
    """Fresh counts of one job: two or three reads, and one more per hundred open windows."""
    steps = farm.jobs.steps(job.id)
    counts = counting.count_tasks(farm, job, steps)
    return Progress(counts, counting.progress(job, steps, counts), steps)


# ---- deciding ------------------------------------------------------------------------------------------------------


def cancel(farm: Farm, job_id: JobId) -> Job:
    """Stop the job: nothing of it is given away from here on, running tasks are told to stop."""
    return _decide(
        farm, job_id, lambda job: end_early(farm, job, "cancel", "canceled on request"), {JobStatus.CANCELED}
    )


def pause(farm: Farm, job_id: JobId) -> Job:
    """No new claims; running tasks may finish."""
    return _decide(farm, job_id, lambda job: decided(farm, job, "pause"), {JobStatus.PAUSED})


def resume(farm: Farm, job_id: JobId) -> Job:
    def decide(job: Job) -> Job | None:
        return farm.jobs.transition(job, "resume", Set("epoch", job.epoch + 1))

    return _decide(farm, job_id, decide, RUNNABLE_JOBS)


UNCHANGED = -1


def change(
    farm: Farm,
    job_id: JobId,
    *,
    name: str | None = None,
    priority: int | None = None,
    max_workers: int | None = UNCHANGED,
) -> Job:
    """Rename, re-prioritise, or limit how many of its tasks run at once (None: no limit). A new priority reaches queued
    tasks at once; a lower limit lets what runs end."""
    if priority is not None:
        check_priority(priority)
    if max_workers != UNCHANGED:
        gates.check(max_workers)

    def decide(job: Job) -> Job | None:
        changes = [Set("name", name)] if name is not None else []
        if priority is not None and priority != job.priority:
            changes += [Set("priority", priority), Set("epoch", job.epoch + 1)]
        if max_workers != UNCHANGED:
            changes += [Set("max_workers", max_workers), Set("gated", job.gated or max_workers is not None)]
        changed = farm.jobs.change(job, *changes) if changes else job
        if changed is not None and max_workers != UNCHANGED:
            gates.keep(farm, changed)
        return changed

    return _decide(farm, job_id, decide)


def replace_input(farm: Farm, job: Job, blob_id: BlobId) -> None:
    """Give a job of type `function` another input; an attempt that has begun keeps the one it was given."""
    task = farm.tasks.get(job.first_task)
    blob = farm.blobs.get(blob_id)
    if task is not None:
        size, sha256 = (blob.size, blob.sha256) if blob is not None else (None, None)
        others = tuple(given for given in task.work.inputs if given.name != "input")
        work = replace(task.work, inputs=(*others, TaskInput("input", blob_id, size, sha256)))
        farm.tasks.update(task_writes.rewritten(task, work))


def _decide(farm: Farm, job_id: JobId, decide: Callable[[Job], Job | None], becomes: Collection[JobStatus] = ()) -> Job:
    """`becomes`: what the decision makes of the job. If it is that after a write that failed, then this write, sent
    again by the engine as its answer got lost, met its own effect, or somebody else has decided the same."""
    for tried in range(TRIES):
        job = get(farm, job_id)
        if (tried and job.status in becomes) or decide(job) is not None:
            settle(farm, job_id)
            farm.bell.ring(f"job/{job_id}", times=None)
            return get(farm, job_id)
    raise Conflict("the job keeps changing; try again")


def delete(farm: Farm, job_id: JobId) -> None:
    """Remove a job that has ended, and its tasks: for everybody at once, though it may take a while. A living job is to
    be canceled first."""
    job = get(farm, job_id)
    if job.status not in ENDED_JOBS:
        raise Conflict(f"the job is {job.status.value}; cancel it first")
    if not job.settled:
        raise Conflict("its last tasks are still ending; try again in a moment")
    if not farm.jobs.hide(job):
        raise Conflict("the job keeps changing; try again")
    hooks.forget_job(farm, job_id)
    deleting.begin(farm, job_id)
