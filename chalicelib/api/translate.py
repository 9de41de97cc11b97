"""From the core's values to this API's answers. Pure: no reads, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..core import model as core
from ..core.jobs import Progress
from ..core.lifecycle import JobStatus, TaskStatus, WorkerStatus
from ..core.model import Json
from ..core.ports import SignedRequest
from ..core.retry_policy import policy_json
from ..edge.clock import time_text
from ..edge.uuids import uuid_of
from . import models
from .hiding import without_secrets
from .wanted import Retry

LISTED_SETTINGS_BYTES = 4_000
"""A page of a thousand jobs has to fit through Lambda's 6 MB."""


def id_text(number: int | None) -> str | None:
    return None if number is None else str(number)


def listed_job(job: core.Job) -> models.Job:
    """As a list shows it: counts as last rolled up, and no large settings."""
    counts = {status.value: job.counts.get(status.value, 0) for status in TaskStatus}
    return models.Job(**_job(job, _small(job.settings), counts, _share(job, counts)))


def job_details(job: core.Job, settings: Json, progress: Progress) -> models.JobDetails:
    steps = [
        models.Step(
            name=step.name,
            status=step.status,
            parents=list(step.parents),
            trails=step.trails,
            count=step.count,
            completed=step.completed,
            failed=step.failed,
            canceled=step.canceled,
        )
        for step in progress.steps
    ]
    retry, after = Retry.model_validate(policy_json(job.retry)), [str(number) for number in job.after]
    shown = _job(job, settings, progress.counts, progress.percent)
    return models.JobDetails(
        **shown,
        steps=steps,
        retry=retry,
        after=after,
        max_workers=job.max_workers,
        max_retries=job.max_retries,
        on_failure=job.on_failure,
    )


def _job(job: core.Job, settings: Json, counts: Mapping[str, int], percent: int) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "name": job.name,
        "type": job.type,
        "owner": job.owner,
        "status": job.status,
        "priority": job.priority,
        "tags": list(job.tags),
        "settings": settings if isinstance(settings, dict) else None,
        "counts": models.Counts(**counts),
        "progress": percent,
        "outputs": [_output(output) for output in job.outputs],
        "error": job.error,
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.started_at),
        "finished_at": time_text(job.finished_at),
    }


def _small(settings: Json) -> Json:
    return settings if len(json.dumps(settings)) <= LISTED_SETTINGS_BYTES else None


def _share(job: core.Job, counts: Mapping[str, int]) -> int:
    """Progress from counts alone. Later steps are not counted before they are open, so it is never 100 too early."""
    if job.status is JobStatus.COMPLETED:
        return 100
    # Of a job that is over: what came of it. A job that failed as a whole is not "99 %" done.
    is_over = job.status in (JobStatus.FAILED, JobStatus.CANCELED)
    ended = sum(counts[word] for word in (("completed",) if is_over else ("completed", "failed", "canceled")))
    return min(99, 100 * ended // (sum(counts.values()) or 1))


def _output(output: core.Output) -> models.Output:
    return models.Output(name=output.name, blob=str(output.blob), size=output.size, sha256=output.sha256)


def job_output(task: core.Task, output: core.Output) -> models.JobOutput:
    return models.JobOutput(**_output(output).model_dump(), task=str(task.id), task_name=task.name)


def task(task: core.Task) -> models.Task:
    return models.Task(**_task(task))


def _task(task: core.Task) -> dict[str, Any]:
    return {
        "id": str(task.id),
        "job": str(task.job),
        "name": task.name,
        "task_type": task.requirement.task_type,
        "status": task.status,
        "priority": task.own_priority,
        "worker": id_text(task.lease.worker if task.lease else None),
        "progress": task.progress,
        "activity": task.activity or None,
        "attempts": [*map(_ended, task.attempts), *_running(task)],
    }


def task_details(task: core.Task) -> models.TaskDetails:
    asked = task.requirement
    return models.TaskDetails(
        **_task(task),
        job_name=task.job_name,
        step=task.step,
        commands=[without_secrets(command) for command in task.work.commands],
        inputs=[models.TaskInput(name=given.name, blob=str(given.blob), size=given.size) for given in task.work.inputs],
        outputs=list(task.work.outputs),
        max_seconds=task.work.max_seconds,
        idle_seconds=task.work.idle_seconds,
        tags=sorted(asked.require) + [f"-{tag}" for tag in sorted(asked.forbid)],
        files=[_output(output) for output in task.outputs],
    )


def _ended(attempt: core.Attempt) -> models.Attempt:
    return models.Attempt(
        number=attempt.number,
        worker=str(attempt.worker),
        outcome=attempt.outcome,
        exit_code=attempt.exit_code,
        error=attempt.error,
        started_at=time_text(attempt.started_at),
        ended_at=time_text(attempt.ended_at),
    )


def _running(task: core.Task) -> Iterable[models.Attempt]:
    """The core counts an attempt when it has ended; a person wants to see the one that runs."""
    if task.lease is None:
        return
    yield models.Attempt(
        number=task.attempts[-1].number + 1 if task.attempts else 1,
        worker=str(task.lease.worker),
        outcome=None,
        exit_code=None,
        error=None,
        started_at=time_text(task.lease.granted_at),
        ended_at=None,
    )


def listed_worker(worker: core.Worker, status: WorkerStatus) -> models.ListedWorker:
    """`status`: as a person should see it (`workers.liveness`)."""
    return models.ListedWorker(**_worker(worker, status))


def worker(worker: core.Worker, status: WorkerStatus, held: Iterable[core.TaskId]) -> models.Worker:
    return models.Worker(**_worker(worker, status), tasks=[str(number) for number in sorted(held)])


def _worker(worker: core.Worker, status: WorkerStatus) -> dict[str, Any]:
    return {
        "id": str(worker.id),
        "uuid": uuid_of(worker.id),
        "name": worker.name,
        "status": status,
        "status_requested": worker.status_requested,
        "task_types": sorted(worker.task_types),
        "tags": sorted(worker.tags),
        "slots": worker.slots,
        "platform": worker.platform,
        "software": worker.software,
        "load": None if worker.load is None else models.Load(**vars(worker.load)),
        "last_contact_at": time_text(worker.last_contact_at),
    }


def upload(signed: SignedRequest | None, url: str) -> models.Upload | None:
    if signed is None:
        return None
    return models.Upload(method=signed.method, url=url, headers=dict(signed.headers))


def blob(blob: core.Blob, stored: bool) -> models.Blob:
    return models.Blob(
        id=str(blob.id), size=blob.size, sha256=blob.sha256, stored=stored, created_at=time_text(blob.created_at)
    )
