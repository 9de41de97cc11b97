"""`/worker`: registration and the contract, for clients of Pleiades. Who registers natively is passed on."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from ...core import claiming, workers
from ...core.access import Scope
from ...core.farm import Farm
from ...core.ids import parse_id
from ...core.model import Worker
from ...edge import auth
from ...edge.fields import parsed
from ...edge.http import Reply, Request
from . import documents, native_routes, translate
from .access import any_worker
from .envelope import json_object, ok
from .wire import Contract, Register

NAME = "pleiades worker"
"""Its protocol has no names for workers."""
LEASE_SECONDS = 3600.0
"""Workers of this protocol say nothing while they compute: this is how long one may be silent."""


def register(farm: Farm, request: Request) -> Reply:
    body = json_object(request)
    if "worker" in body:
        return native_routes.register(farm, request, body)
    auth.require(farm, request, Scope.WORKER)
    runtimes = tuple(parsed(Register, body).runtime) or translate.DEFAULT_RUNTIMES
    workers.checked_description(NAME, (), runtimes)
    worker, _ = workers.register(farm, workers.Description(NAME, runtimes=runtimes), with_secret=False)
    old_names = {"wid": str(worker.id)} if Register.uses_old_names(body) else {}
    return ok(**documents.worker_document(worker), **old_names)


def info(farm: Farm, request: Request, worker_id: str) -> Reply:
    auth.require(farm, request, Scope.SUBMIT, Scope.WORKER)
    return ok(**documents.worker_document(workers.get(farm, parse_id(worker_id, "worker"))))


def contract(farm: Farm, request: Request, worker_id: str, body: dict[str, Any]) -> Reply:
    """Not asked natively."""
    worker = any_worker(farm, request, worker_id)
    return _contract(farm, worker, parsed(Contract, body))


def _contract(farm: Farm, worker: Worker, wanted: Contract) -> Reply:
    """The oldest fitting job, as soon as there is one. It is this worker's alone from the moment it is taken."""
    worker = workers.contact(farm, worker, wants_work=True)
    asking = replace(worker, tags=worker.tags | translate.contract_tags(wanted.tags))
    patience = translate.contract_seconds(wanted.timeout)
    claimed = claiming.claim_or_wait(farm, asking, secrets.token_hex(16), seconds=patience, lease_seconds=LEASE_SECONDS)
    if not claimed.assignments:
        return ok(message="no job")
    return ok(**_job_names(str(claimed.assignments[0].task.job)))


def _job_names(job_id: str) -> dict[str, Any]:
    """The seed reads `id`, today's clients `job`, older ones `job_id` or `jid`."""
    return dict.fromkeys(("id", "job", "job_id", "jid"), job_id)
