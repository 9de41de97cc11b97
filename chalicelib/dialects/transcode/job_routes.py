"""What clients of this protocol do: add, look, list, remove.

Adding is not repeatable in this protocol: a lost answer leaves a job that `get_jobs` shows.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from ...compilers.transcode import TASK_TYPE
from ...core import jobs, tasks, workers
from ...core.access import Scope
from ...core.errors import BadInput, Conflict, NotFound
from ...core.farm import Farm
from ...core.lifecycle import ENDED_JOBS, StepStatus, TaskStatus, WorkerStatus
from ...core.model import Job, Step
from ...core.ports import Set
from ...core.records.fields import to_json
from ...edge import auth, current
from ...edge.fields import parsed
from ...edge.http import Reply, Request
from ...handlers.pushing import TOPIC
from . import documents, reporting, translate
from .envelope import InvalidValue, reply, said
from .translate import ROOM
from .wire import JobRef, NewJob, Page

LARGEST_PAGE = 1000
LOOKED_INTO = 100
"""The progress of single tasks counts in steps of at most so many; in larger ones it would not be seen anyway."""
TRIES = 5
"""Changes of one job made at the same moment."""


def add_job(farm: Farm, request: Request) -> Reply:
    owner = auth.require(farm, request, Scope.SUBMIT).owner
    body = said(request)
    wanted = parsed(NewJob, _job_of(body))
    submission = translate.submission(wanted, current.settings().recordings, _num_workers(farm), secrets.token_hex(6))
    job = jobs.submit(farm, submission, owner=owner)
    farm.bell.ring(TOPIC)
    text = translate.job_text(job.id)
    return reply(job_id=text, task_id=text)


def _job_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The seed's headline calls it a task."""
    wanted = body.get("job", body.get("task"))
    if not isinstance(wanted, Mapping):
        raise BadInput("job must be an object", field="job")
    return wanted


def _num_workers(farm: Farm) -> int:
    """Who could convert a piece now."""
    able = (worker for worker in farm.workers.all() if TASK_TYPE in worker.abilities)
    return sum(workers.liveness(farm, worker) in (WorkerStatus.AWAKE, WorkerStatus.STARTING) for worker in able)


def get_job(farm: Farm, request: Request) -> Reply:
    """An unknown job is no failure here: an empty object."""
    auth.require(farm, request, Scope.SUBMIT)
    try:
        job = _job(farm, request)
    except NotFound:
        return reply(job={})
    return reply(job=_document(farm, job))


def _job(farm: Farm, request: Request) -> Job:
    """The job that the call names. Raises NotFound."""
    text = parsed(JobRef, said(request)).job_id
    job = farm.jobs.get(translate.job_number(text))
    if job is None or not translate.is_shown(job):
        raise NotFound(f"no such job: {text}")
    return job


def _known_job(farm: Farm, request: Request) -> Job:
    try:
        return _job(farm, request)
    except NotFound as error:
        raise InvalidValue(error.message) from None


def _document(farm: Farm, job: Job) -> dict[str, Any]:
    return documents.job_document(job, reporting.settings_of(farm, job), _percent(farm, job))


def _percent(farm: Farm, job: Job) -> int:
    """Each step weighs the same, each task within its step."""
    progress = jobs.progress(farm, job)
    if job.status in ENDED_JOBS:
        return progress.percent
    return min(99, int(100 * translate.mean([_share(farm, job, step) for step in progress.steps])))


def _share(farm: Farm, job: Job, step: Step) -> float:
    if step.status is StepStatus.DONE:
        return 1.0
    if not step.count or step.count > LOOKED_INTO:
        return step.ended / step.count if step.count else 0.0
    found = tasks.of_step(farm, job, step)
    return translate.mean([1.0 if task.status is TaskStatus.COMPLETED else task.progress / 100 for task in found])


def get_jobs(farm: Farm, request: Request) -> Reply:
    """In order of creation. Reads every job of the farm: the protocol wants a total."""
    auth.require(farm, request, Scope.SUBMIT)
    wanted = parsed(Page, said(request))
    start, limit = max(0, wanted.start_index), min(max(1, wanted.limit), LARGEST_PAGE)
    found = _all_jobs(farm)
    page = [_document(farm, job) for job in found[start : start + limit]]
    return reply(start_index=start, num_jobs=len(page), total=len(found), jobs=page)


def _all_jobs(farm: Farm) -> list[Job]:
    found: list[Job] = []
    cursor: str | None = None
    while True:
        page, cursor = farm.jobs.page(None, 100, cursor)
        found += [job for job in page if translate.is_shown(job)]
        if cursor is None:
            return found[::-1]


def get_job_state(farm: Farm, request: Request) -> Reply:
    auth.require(farm, request, Scope.SUBMIT)
    state, result = translate.JOB_STATES[_known_job(farm, request).status]
    return reply(state=int(state), result=result)


def remove_job(farm: Farm, request: Request) -> Reply:
    """Cancel and forget. A job with tasks that are still ending is hidden from this protocol until they have ended."""
    auth.require(farm, request, Scope.OPERATE)
    job = _known_job(farm, request)
    if job.status not in ENDED_JOBS:
        job = jobs.cancel(farm, job.id)
    try:
        jobs.delete(farm, job.id)
    except Conflict:
        _hide(farm, job)
    farm.bell.ring(TOPIC)
    return reply()


def _hide(farm: Farm, job: Job) -> None:
    for _ in range(TRIES):
        noted = {**job.annotations, ROOM: {**job.annotations.get(ROOM, {}), "removed": True}}
        if farm.jobs.change(job, Set("annotations", to_json(noted))) is not None:
            return
        job = jobs.get(farm, job.id)
    raise Conflict("the job keeps changing; try again")
