"""What workers of the pull generation ask for: tasks, job types, zips.

A worker polls every five seconds and registers again before each poll. While it computes it says nothing but what its
program writes, so its lease is an hour long.
"""

from __future__ import annotations

from ...core import blobs, leases
from ...core.access import Scope
from ...core.errors import NotFound, ObjectMissing
from ...core.farm import Farm
from ...core.leaving import held_tasks
from ...core.lifecycle import Outcome
from ...core.model import Task
from ...edge import current
from ...edge.auth import require
from ...edge.http import Reply, Request, json_reply, stored_object
from ...edge.refusals import NO_INTERFACE
from . import documents, handing, registering, scripts, standing, submitting
from .compilers import COMPILERS
from .envelope import NoInterface, Stop, path_number
from .fleet import Member, notes
from .handing import ELSEWHERE, Handed
from .reporting import DISABLED, SILENT_SECONDS, UNREGISTERED
from .translate import WorkerWord
from .wire import USUAL_PORT

ZIP = "application/zip"
THROUGH_LAMBDA_BYTES = 4 * 1000 * 1000
NOTHING_TO_DO = json_reply("", 400)
"""As the original says it: 404 or 204 would mean something else."""
JOB_TYPES = (*COMPILERS, ELSEWHERE)


def compiled(farm: Farm, request: Request, number: str) -> Reply:
    """The next task for who asks; the number in the path means nothing. Repeated before any report: the same task."""
    require(farm, request, Scope.WORKER)
    path_number(number)
    member = registering.pulling(farm, request.peer, USUAL_PORT, request.query.get("worker"))
    if member is None:
        raise Stop(UNREGISTERED)
    member = standing.heard_of(farm, registering.now_pulls(farm, member))
    if standing.is_disabled(member.worker):
        raise Stop(DISABLED)
    if member.said != WorkerWord.ENABLED:
        return NOTHING_TO_DO
    given = _given_before(farm, member) or handing.next_task(farm, member, SILENT_SECONDS)
    return NOTHING_TO_DO if given is None else json_reply(documents.compiled_document(given))


def _given_before(farm: Farm, member: Member) -> Handed | None:
    """The answer got lost, or another worker of this address has it: then its reports tell."""
    for task in held_tasks(farm, member.worker):
        if task.cancel_reason is not None:
            continue
        if task.lease is not None and task.lease.seconds < SILENT_SECONDS:
            _take_from_the_push(farm, task)
            continue
        return handing.handed(farm, member, task)
    return None


def _take_from_the_push(farm: Farm, task: Task) -> None:
    """Until it first asks, a worker counts as one that is pushed to, and this was claimed for that a moment ago. Who
    pushes takes it back when nobody answers the call, even if the worker runs it by then. Given back here it is claimed
    anew, under a lease that this worker can keep and that nobody else takes back."""
    leases.give_back(farm, task.id, task.generation, Outcome.RELEASED, "to be pushed, but its worker asks for tasks")


def job_type(farm: Farm, request: Request, name: str) -> Reply:
    require(farm, request, Scope.WORKER, Scope.SUBMIT)
    if name not in JOB_TYPES:
        raise NotFound(f"no such job type: {name[:60]}")
    return json_reply(documents.job_type_document(submitting.settings_of(farm)))


def job_types(farm: Farm, request: Request) -> Reply:
    require(farm, request, Scope.WORKER, Scope.SUBMIT)
    document = documents.job_type_document(submitting.settings_of(farm))
    return json_reply(dict.fromkeys(JOB_TYPES, document))


# ---- files ---------------------------------------------------------------------------------------------------------


def job_zip(farm: Farm, request: Request, job_id: str) -> Reply:
    require(farm, request, Scope.WORKER, Scope.SUBMIT)
    return _stored(farm, request, _jobfile(farm, path_number(job_id)))


def support_zip(farm: Farm, request: Request, job_id: str) -> Reply:
    """Always there: a worker that does not get it drops its task without a word."""
    require(farm, request, Scope.WORKER, Scope.SUBMIT)
    path_number(job_id)
    return Reply(200, scripts.support_zip(), ZIP)


def has_file(farm: Farm, request: Request, job_id: str) -> Reply:
    require(farm, request, Scope.WORKER, Scope.SUBMIT)
    return json_reply({"file": _jobfile(farm, path_number(job_id)) is not None})


def dependencies_zip(farm: Farm, request: Request, job_id: str, name: str) -> Reply:
    """`dependencies_{task}.zip`: a task of this farm that has any is given to workers of other protocols."""
    require(farm, request, Scope.WORKER, Scope.SUBMIT)
    path_number(job_id)
    number = name.removeprefix("dependencies_").removesuffix(".zip")
    if name != f"dependencies_{number}.zip" or not number.isascii() or not number.isdigit():
        raise NoInterface(NO_INTERFACE)
    raise NotFound(f"task {number[:20]} has no dependencies")


def _jobfile(farm: Farm, job_number: int) -> int | None:
    blob_id = (notes(farm).get(f"job/{job_number}") or {}).get("jobfile")
    return None if blob_id is None else int(blob_id)


def _stored(farm: Farm, request: Request, blob_id: int | None) -> Reply:
    """The bytes, or where they are, as this process delivers them."""
    if blob_id is None:
        raise NotFound("this job has no file")
    blob = blobs.require_content(farm, blobs.get(farm, blob_id))
    delivery = current.settings().delivery
    if delivery == "stream":
        return stored_object(blob.object_key, ZIP)
    if delivery == "redirect" and blob.size > THROUGH_LAMBDA_BYTES:
        signed = farm.objects.sign_download(blob.object_key, seconds=blobs.DOWNLOAD_SECONDS, content_type=ZIP)
        return Reply(307, b"", None, {"Location": request.absolute(signed.url)})
    content = farm.objects.get(blob.object_key)
    if content is None:
        raise ObjectMissing("the bytes of this file are gone")
    return Reply(200, content, ZIP)
