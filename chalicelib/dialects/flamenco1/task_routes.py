"""`/tasks`: what a Server does with tasks, and what workers report of them."""

from __future__ import annotations

from ...core import blobs, jobs, leases
from ...core.access import Scope
from ...core.errors import BadInput, NotFound
from ...core.farm import Farm
from ...core.lifecycle import ENDED_JOBS, Outcome
from ...edge.auth import require
from ...edge.fields import parsed
from ...edge.http import Reply, Request, json_reply
from . import documents, forms, pushing, reporting, submitting
from .envelope import DONE, path_number
from .fleet import ROOM, notes
from .forms import JOBFILE, TASKFILE, THUMBNAIL, Upload
from .submitting import Known
from .wire import NewTask, TaskReport, Thumbnail

MOST_DELETED = 100


def create(farm: Farm, request: Request) -> Reply:
    """Queue a task, and push it at once if a worker that is pushed to is free."""
    owner = require(farm, request, Scope.SUBMIT).owner
    with forms.read(request) as form:
        known = submitting.submit(farm, parsed(NewTask, form.fields), form.files.get(JOBFILE), owner)
    if pushing.offer(farm):
        known = submitting.find(farm, known.number) or known
    return json_reply(documents.task_document(known), 202)


def report(farm: Farm, request: Request, task_id: str) -> Reply:
    require(farm, request, Scope.WORKER)
    number = path_number(task_id)
    with forms.read(request) as form:
        reporting.report(farm, request.peer, number, parsed(TaskReport, form.fields), form.files.get(TASKFILE))
    return DONE


def delete(farm: Farm, request: Request, task_id: str) -> Reply:
    """202 also for what is not there, as the protocol has it."""
    require(farm, request, Scope.OPERATE)
    number = path_number(task_id)
    known = _stop(farm, number)
    return json_reply({"id": number} if known is None else documents.task_document(known), 202)


def delete_many(farm: Farm, request: Request) -> Reply:
    """`tasks`, any number of times. The answer is the last of them."""
    require(farm, request, Scope.OPERATE)
    with forms.read(request) as form:
        wanted = form.lists.get("tasks", [])
    if not 1 <= len(wanted) <= MOST_DELETED:
        raise BadInput(f"tasks: 1 to {MOST_DELETED} ids of tasks", field="tasks")
    numbers = [parsed(Thumbnail, {"task_id": one}).task_id for one in wanted]
    for number in numbers:
        _stop(farm, number)
    return json_reply(numbers[-1], 202)


def _stop(farm: Farm, number: int) -> Known | None:
    """A Server's own task is canceled; one that was submitted elsewhere is only taken from its worker."""
    known = submitting.find(farm, number)
    if known is None:
        return None
    if ROOM in known.job.annotations:
        if known.job.status not in ENDED_JOBS:
            jobs.cancel(farm, known.job.id)
        pushing.stop(farm, known, Outcome.CANCELED)
    elif known.task is not None and not pushing.stop(farm, known, Outcome.RELEASED):
        leases.give_back(farm, known.task.id, known.task.generation, Outcome.RELEASED, "taken from its worker")
    return submitting.find(farm, number)


def thumbnail(farm: Farm, request: Request) -> Reply:
    """Kept as a blob. The newest of a task counts."""
    require(farm, request, Scope.WORKER)
    with forms.read(request) as form:
        number = parsed(Thumbnail, form.fields).task_id
        if THUMBNAIL not in form.files:
            raise BadInput("file: required", field=THUMBNAIL)
        if submitting.find(farm, number) is None:
            raise NotFound(f"no such task: {number}")
        _keep_thumbnail(farm, number, form.files[THUMBNAIL])
    return json_reply(None)


def _keep_thumbnail(farm: Farm, number: int, picture: Upload) -> None:
    blob = blobs.store(farm, picture.content, picture.size, picture.sha256)
    notes(farm).change(f"thumbnail/{number}", lambda note: {"blob": blob.id})
