"""What workers of this protocol do: register, send heartbeats, report, leave. Answered at once: they wait for 1 s."""

from __future__ import annotations

from ...core.access import Scope
from ...core.errors import NotFound
from ...core.farm import Farm
from ...edge import auth
from ...edge.fields import parsed
from ...edge.http import Reply, Request
from ...handlers.pushing import TOPIC
from . import registrations, reporting
from .envelope import reply, said
from .wire import Heartbeat, Register, TaskResult, WorkerRef


def register(farm: Farm, request: Request) -> Reply:
    auth.require(farm, request, Scope.WORKER)
    entry = registrations.register(farm, parsed(Register, said(request)), request.peer)
    farm.bell.ring(TOPIC)
    return reply(worker_id=entry.address)


def heartbeat(farm: Farm, request: Request) -> Reply:
    auth.require(farm, request, Scope.WORKER)
    beat = parsed(Heartbeat, said(request))
    entry = registrations.find(farm, beat.worker_id, request.peer)
    now = registrations.heard(farm, entry, busy=beat.worker_state != 0)
    if entry.busy and not now.busy:
        farm.bell.ring(TOPIC)
    return reply()


def unregister(farm: Farm, request: Request) -> Reply:
    """The real worker sends the time of day as its id, so mostly the connection's address tells who leaves."""
    auth.require(farm, request, Scope.WORKER)
    ref = parsed(WorkerRef, said(request))
    registrations.leave(farm, registrations.find(farm, ref.worker_id, request.peer))
    farm.bell.ring(TOPIC)
    return reply()


def set_task_result(farm: Farm, request: Request) -> Reply:
    auth.require(farm, request, Scope.WORKER)
    result = parsed(TaskResult, said(request))
    it = reporting.find(farm, result.task_id)
    holder = reporting.holder(it.task)
    entry = registrations.of_worker(farm, holder) if holder is not None else None
    if entry is None or not entry.is_from(request.peer):
        raise NotFound(f"no worker at {request.peer} has task {result.task_id}")
    if reporting.may_be_anothers(farm, it.task, entry, request.peer):
        registrations.note(farm, entry, asked_at=0)  # the next round asks the worker itself
    else:
        reporting.note(farm, it, entry.worker, result)
    farm.bell.ring(TOPIC)
    return reply()
