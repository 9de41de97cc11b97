"""The calls of the native worker protocol (`docs/native-protocol.md`), as views.

Every call may be repeated for want of an answer. A contract that dies half way has applied its first reports and
perhaps claimed: the repetition finds the reports applied and, under the same request id, gets the same tasks.

A plain contract costs three table requests: the worker, the lanes' registry (cached) and one `take`.
"""

from __future__ import annotations

import threading
from typing import Any

from ...core import blobs, claiming, leases, logs, workers
from ...core.access import Scope
from ...core.claiming import Claimed
from ...core.errors import BadInput, LeaseLost, NotFound
from ...core.farm import Farm
from ...core.lifecycle import Outcome
from ...core.model import Task, Worker
from ...edge.http import Reply, Request
from ...edge.uuids import uuid_of
from .access import allow, native_worker
from .envelope import TooLarge, json_object, ok, parsed
from .native_wire import (
    Announcement,
    AttemptReport,
    Became,
    Contract,
    LeaseId,
    LogChunk,
    Nothing,
    Registration,
    Renew,
    Renewal,
    SignOn,
    assignment,
    stop,
)

RECONCILE_EVERY_MS = 30_000


def register(farm: Farm, request: Request, body: dict[str, Any]) -> Reply:
    """`POST /worker` with `worker` in its body."""
    allow(farm, request, Scope.WORKER)
    wanted = parsed(Registration, body)
    description = _checked(wanted)
    worker, secret = workers.register(farm, description, with_secret=True)
    return ok(id=str(worker.id), runtime=list(worker.runtimes), secret=secret, uuid=uuid_of(worker.id))


def sign_on(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(SignOn, json_object(request))
    worker = workers.sign_on(farm, worker, _checked(wanted))
    claiming.reconcile(farm, worker, [lease.pair for lease in wanted.held], at_start=True)
    requested = worker.status_requested.value if worker.status_requested else None
    return ok(poll_seconds=_poll_seconds(farm, worker, busy=True), status_requested=requested)


def _checked(wanted: Registration) -> workers.Description:
    description = wanted.description()
    workers.checked_description(description.name, description.task_types, description.runtimes)
    return description


def sign_off(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    parsed(Nothing, json_object(request, may_be_empty=True))
    workers.sign_off(farm, worker)
    for entry in farm.tasks.held_by(worker.id):
        leases.give_back(farm, entry.task, entry.generation, Outcome.RELEASED, "the worker signed off")
    return ok()


# ---- contract ------------------------------------------------------------------------------------------------------


def contract(farm: Farm, request: Request, worker_id: str, body: dict[str, Any]) -> Reply:
    """`POST /worker/{id}/contract` with `slots` or `request_id` in its body: report, hear, claim."""
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(Contract, body)
    worker = workers.contact(farm, worker, wants_work=wanted.slots > 0)
    verdicts = [_verdict(farm, worker, said) for said in wanted.reports]
    cancel = _to_stop(farm, worker, wanted.held)
    _reconcile_now_and_then(farm, worker, wanted)
    worker, claimed = _claim(farm, worker, wanted)
    return ok(
        reports=verdicts,
        assignments=[assignment(given) for given in claimed.assignments],
        cancel=cancel,
        **_told(farm, worker, busy=claimed.contended or bool(claimed.assignments)),
    )


def _verdict(farm: Farm, worker: Worker, said: AttemptReport) -> dict[str, Any]:
    """Each report counts by itself: one that is late does not keep the others from being heard."""
    try:
        outputs = blobs.as_outputs(farm, said.blobs) if said.outputs else ()
        leases.report(farm, worker.id, said.task_id, said.generation, said.said(outputs))
    except (LeaseLost, NotFound) as refused:
        return {**said.wire(), "accepted": False, "message": refused.message}
    return {**said.wire(), "accepted": True, "message": ""}


def _to_stop(farm: Farm, worker: Worker, held: list[LeaseId]) -> list[dict[str, Any]]:
    if not held:
        return []
    tasks = farm.tasks.get_many([lease.task_id for lease in held])
    notices = [stop(lease, task, worker.id) for lease, task in zip(held, tasks, strict=True)]
    return [notice for notice in notices if notice is not None]


def _claim(farm: Farm, worker: Worker, wanted: Contract) -> tuple[Worker, Claimed]:
    if wanted.slots == 0:
        return worker, Claimed((), contended=False)
    if wanted.repeat or wanted.timeout <= 0:
        return worker, claiming.claim(farm, worker, wanted.request_id, slots=wanted.slots, repeat=wanted.repeat)
    claimed = claiming.claim_or_wait(farm, worker, wanted.request_id, seconds=wanted.timeout, slots=wanted.slots)
    if not claimed.assignments:  # something may have been asked of the worker while it waited
        worker = farm.workers.get(worker.id) or worker
    return worker, claimed


class _Reconciled:
    """When this process last compared what a worker holds with what the table says."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[int, int] = {}

    def is_due(self, worker_id: int, now: int) -> bool:
        """At first sight it is not: the worker signed on a moment ago, or another process looks after it."""
        with self._lock:
            if len(self._at) > 10_000:
                self._at.clear()
            if now - self._at.setdefault(worker_id, now) < RECONCILE_EVERY_MS:
                return False
            self._at[worker_id] = now
            return True


_reconciled = _Reconciled()


def _reconcile_now_and_then(farm: Farm, worker: Worker, wanted: Contract) -> None:
    """Not before a repeated claim, which is about to hear of what was given in the answer that got lost."""
    if not wanted.repeat and _reconciled.is_due(worker.id, farm.clock.now()):
        known = [lease.pair for lease in (*wanted.held, *wanted.reports)]
        claiming.reconcile(farm, worker, known)


def _told(farm: Farm, worker: Worker, *, busy: bool) -> dict[str, Any]:
    """What every contract and renewal tells the worker besides its own business."""
    return {
        "poll_seconds": _poll_seconds(farm, worker, busy=busy),
        "status_requested": worker.status_requested.value if worker.status_requested else None,
        "lazy": worker.lazy,
    }


def _poll_seconds(farm: Farm, worker: Worker, *, busy: bool) -> float:
    """Jittered, so that workers which were started together do not ask together for ever."""
    seconds = farm.limits.poll_busy_seconds if busy else farm.limits.poll_idle_seconds
    return round(seconds * farm.random.uniform(0.8, 1.2), 3)


# ---- while it runs -------------------------------------------------------------------------------------------------


def renew(farm: Farm, request: Request, worker_id: str) -> Reply:
    worker = native_worker(farm, request, worker_id)
    wanted = parsed(Renew, json_object(request))
    worker = workers.contact(farm, worker, wants_work=False)
    renewed = [(lease, _renewed(farm, worker, lease)) for lease in wanted.leases]
    notices = [stop(lease, task, worker.id) for lease, task in renewed if task is not None]
    return ok(
        leases=[_lease_left(farm, lease, task) for lease, task in renewed],
        cancel=[notice for notice in notices if notice is not None],
        **_told(farm, worker, busy=False),
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
    task = leases.get(farm, chunk.task_id)
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


# ---- blobs ---------------------------------------------------------------------------------------------------------


def announce(farm: Farm, request: Request) -> Reply:
    """`POST /data` with JSON: the blob's id, and the request that uploads its content."""
    wanted = parsed(Announcement, json_object(request))
    blob, signed = blobs.announce(farm, wanted.size, wanted.sha256)
    upload = None if signed is None else {"method": signed.method, "url": signed.url, "headers": dict(signed.headers)}
    return ok(id=str(blob.id), checksum=blob.sha256, upload=upload)
