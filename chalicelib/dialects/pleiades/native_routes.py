"""The calls of the native worker protocol (`docs/native-protocol.md`), as views.

Every call may be repeated for want of an answer; registering again leaves an unused worker behind. The contract, the
call that matters, is in `native_contract.py`.
"""

from __future__ import annotations

from typing import Any

from ...core import blobs, claiming, last_rendered, leases, logs, manifests, starting, tasks, uploads, workers
from ...core.errors import BadInput, LeaseLost, NotFound
from ...core.farm import Farm
from ...core.lifecycle import Outcome
from ...core.model import Task, Worker
from ...core.ports import SignedRequest, StoredPart
from ...edge import auth
from ...edge.fields import parsed
from ...edge.http import Reply, Request
from ...edge.uuids import uuid_of
from .access import native_worker
from .envelope import TooLarge, json_object, ok
from .native_contract import poll_seconds, told
from .native_wire import (
    Announcement,
    Became,
    FilesWanted,
    LogChunk,
    Nothing,
    PartsCall,
    PictureMade,
    Registration,
    Renew,
    Renewal,
    SignOn,
    load_of,
    stop,
)


def register(farm: Farm, request: Request, body: dict[str, Any]) -> Reply:
    """`POST /worker` with `worker` in its body.

    Who may not, learns nothing of what is wrong with the body: so the name is looked at before the rest."""
    auth.require_to_register(farm, request, _name_in(body))
    wanted = parsed(Registration, body)
    description = _checked(wanted)
    worker, secret = workers.register(farm, description, with_secret=True)
    return ok(id=str(worker.id), runtime=list(worker.runtimes), secret=secret, uuid=uuid_of(worker.id))


def _name_in(body: dict[str, Any]) -> str:
    worker = body.get("worker")
    name = worker.get("name") if isinstance(worker, dict) else None
    return name if isinstance(name, str) else ""


def sign_on(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(SignOn, json_object(request))
    description = _checked(wanted)
    until = starting.begin(farm, worker, _start(request))
    worker = workers.sign_on(farm, worker, description)
    claiming.reconcile(farm, worker, [lease.pair for lease in wanted.held], at_start=True, until=until)
    requested = worker.status_requested.value if worker.status_requested else None
    return ok(poll_seconds=poll_seconds(farm, farm.limits.poll_busy_seconds), status_requested=requested)


def _start(request: Request) -> int | None:
    """A header, for managers from before it was thought of refuse a field that they do not know."""
    text = request.headers.get("x-millrace-start", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _checked(wanted: Registration) -> workers.Description:
    description = wanted.description()
    workers.checked_description(description.name, description.task_types, description.runtimes)
    return description


def sign_off(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    parsed(Nothing, json_object(request, may_be_empty=True))
    if starting.is_of_an_earlier_one(worker, _start(request)):
        return ok()
    workers.sign_off(farm, worker)
    for entry in farm.tasks.held_by(worker.id):
        leases.give_back(farm, entry.task, entry.generation, Outcome.RELEASED, "the worker signed off")
    return ok()


# ---- while it runs -------------------------------------------------------------------------------------------------


def renew(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(Renew, json_object(request))
    worker = workers.contact(farm, worker, wants_work=False, load=load_of(request))
    renewed = [(lease, _renewed(farm, worker, lease)) for lease in wanted.leases]
    notices = [stop(lease, task, worker.id) for lease, task in renewed if task is not None]
    return ok(
        leases=[_lease_left(farm, lease, task) for lease, task in renewed],
        cancel=[notice for notice in notices if notice is not None],
        **told(farm, worker, farm.limits.poll_holding_seconds),
    )


def _renewed(farm: Farm, worker: Worker, lease: Renewal) -> Task | None:
    try:
        return leases.renew(farm, worker.id, lease.task_id, lease.generation, lease.percent, lease.activity)
    except (LeaseLost, NotFound):
        return None


def _lease_left(farm: Farm, lease: Renewal, task: Task | None) -> dict[str, Any]:
    wire = {"task": lease.task, "generation": lease.generation}
    if task is None:
        return {**wire, "held": False}
    return {**wire, "held": True, "lease_seconds": leases.seconds_left(farm, task)}


def log(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    chunk = parsed(LogChunk, json_object(request))
    task = tasks.get(farm, chunk.task_id)
    if chunk.text is None:
        return _log_by_upload(farm, worker, task, chunk)
    data = chunk.text.encode()
    if len(data) > farm.limits.log_chunk_bytes:
        raise TooLarge(f"text has {len(data)} bytes, at most {farm.limits.log_chunk_bytes}: announce it by size")
    offset = logs.append(farm, task, worker.id, chunk.generation, chunk.offset, data)
    return ok(next_offset=offset)


def _log_by_upload(farm: Farm, worker: Worker, task: Task, chunk: LogChunk) -> Reply:
    if chunk.size is None or chunk.sha256 is None:
        raise BadInput("a chunk has either text, or size and sha256")
    signed = logs.sign_append(farm, task, worker.id, chunk.generation, chunk.offset, chunk.size, chunk.sha256)
    upload = {"method": signed.method, "url": signed.url, "headers": dict(signed.headers)}
    return ok(next_offset=chunk.offset + chunk.size, upload=upload)


def status(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    workers.has_become(farm, worker, parsed(Became, json_object(request)).status)
    return ok()


def picture(farm: Farm, request: Request, worker_id: str) -> Reply:
    """What a task of this worker rendered; the answer says when it may send the next."""
    worker = native_worker(farm, request, worker_id)
    made = parsed(PictureMade, json_object(request))
    task = tasks.get(farm, made.task_id)
    jpegs = [size.read() for size in made.pictures]
    last_rendered.note(farm, worker.id, task, made.generation, made.name, jpegs)
    return ok(again_seconds=farm.limits.picture_seconds)


def files(farm: Farm, request: Request, worker_id: str) -> Reply:
    """Where objects of a manifest are, for a task of this worker."""
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(FilesWanted, json_object(request))
    signed = manifests.sign(farm, worker.id, wanted.task_id, wanted.generation, int(wanted.manifest), wanted.objects)
    return ok(urls=[one.url for one in signed])


# ---- blobs ---------------------------------------------------------------------------------------------------------


def announce(farm: Farm, request: Request) -> Reply:
    """`POST /data` with JSON: the blob's id, and the request that uploads its content."""
    wanted = parsed(Announcement, json_object(request))
    blob, signed = blobs.announce(farm, wanted.size, wanted.sha256)
    upload = None if signed is None else _request(signed)
    # Said only where it matters: workers from before it was thought of refuse such an output by themselves.
    way = {"in_parts": True} if signed is not None and uploads.must_go_in_parts(farm, blob) else {}
    return ok(id=str(blob.id), checksum=blob.sha256, upload=upload, **way)


def parts(farm: Farm, request: Request, worker_id: str) -> Reply:
    """An output that one request does not carry, for a worker whose lease on its task stands.

    To give an upload up takes no lease: it is what is left to do once that is lost.
    """
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(PartsCall, json_object(request))
    blob = int(wanted.blob)
    if wanted.action == "abort":
        uploads.abort(farm, blob, wanted.upload or "")
        return ok()
    leases.require_held(farm, wanted.task_id, worker.id, wanted.generation)
    if wanted.action == "begin":
        return ok(**uploads.begin(farm, blob)._asdict())
    upload = wanted.upload or ""
    if wanted.action == "sign":
        signed = uploads.sign(farm, blob, upload, [(part.number, part.sha256) for part in wanted.parts])
        return ok(uploads=[_request(one) for one in signed])
    uploads.complete(farm, blob, upload, [StoredPart(part.number, part.sha256, part.etag) for part in wanted.parts])
    return ok()


def _request(signed: SignedRequest) -> dict[str, Any]:
    return {"method": signed.method, "url": signed.url, "headers": dict(signed.headers)}
