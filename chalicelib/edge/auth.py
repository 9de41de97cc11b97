"""Who asks: tokens of people and programs, secrets of workers. Every room calls this, so that all agree.

A token is sent as `Authorization: Bearer`, as the password of HTTP Basic (or its user, when the password is empty), or
as `?token=` where a client can do nothing else; our own web page has it in a cookie (`page_session.py`). A worker sends
HTTP Basic with its id and its secret. An open farm asks nobody for a token; a worker's secret is asked for everywhere.
"""

from __future__ import annotations

from typing import Any

from ..core import access, workers
from ..core.access import EVERYBODY, Principal, Scope
from ..core.errors import Forbidden, NotFound
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.lifecycle import WorkerStatus
from ..core.model import Worker
from . import current, page_session
from .http import Request


class Unauthenticated(Forbidden):
    """Credentials are missing or wrong."""

    def __init__(self, message: str | None = None, **context: Any) -> None:
        super().__init__(message, status=401, **context)


_STRANGER = Worker(
    id=0,
    name="",
    status=WorkerStatus.OFFLINE,
    task_types=frozenset(),
    runtimes=(),
    tags=frozenset(),
    slots=0,
    secret_hash="0" * 64,
    status_requested=None,
    lazy=False,
    platform="",
    software="",
    created_at=0,
    last_contact_at=0,
)
"""Stands for a worker that is not known, so that its secret costs as much to check as any."""


def authenticate(farm: Farm, request: Request) -> Principal:
    """Who asks. Raises Unauthenticated on a farm with tokens when there is none, or a wrong one."""
    if current.settings().auth == "open":
        return EVERYBODY
    return _known(_by_token(farm, request))


def require(farm: Farm, request: Request, *scopes: Scope) -> Principal:
    """Who asks, if one of these scopes allows it. Raises Unauthenticated, or Forbidden that names them."""
    principal = authenticate(farm, request)
    principal.require(*scopes)
    return principal


def require_to_register(farm: Farm, request: Request, worker_name: str) -> Principal:
    """Who asks, if they may register a worker of this name: with scope `worker`, or a token made for this very one."""
    principal = authenticate(farm, request)
    principal.require_to_register(worker_name)
    return principal


def require_or_worker(farm: Farm, request: Request, *scopes: Scope) -> Principal:
    """The same where a worker may also show its own secret, which stands for scope `worker`. Only where the view then
    looks at what this worker holds: elsewhere a secret would open what only the token of the whole worker room should.
    """
    if current.settings().auth == "open":
        return EVERYBODY
    principal = _known(_by_token(farm, request) or _by_secret(farm, request))
    principal.require(*scopes)
    return principal


def _known(principal: Principal | None) -> Principal:
    if principal is None:
        raise Unauthenticated("a token of this farm is needed (Authorization: Bearer <token>)")
    return principal


def worker_of(farm: Farm, request: Request, worker_id: str) -> Worker:
    """The worker of the path, speaking for itself: with its secret, also on an open farm.

    A worker whose protocol knows no secrets has none to show; its calls need scope `worker`. Raises NotFound for what
    is no worker, but only to those who sent credentials, and after the same work.
    """
    number = parse_id(worker_id, "worker")
    worker = farm.workers.get(number)
    if worker is not None and worker.secret_hash is None:
        require(farm, request, Scope.WORKER)
        return worker
    user, secret = request.basic() or ("", "")
    fits = workers.secret_fits(worker or _STRANGER, secret) and user == worker_id
    if not user:
        raise Unauthenticated("this needs HTTP Basic with the worker's id and secret")
    if worker is None:
        raise NotFound(f"no such worker: {number}")
    if not fits:
        raise Unauthenticated("the secret is not this worker's")
    return worker


def _by_token(farm: Farm, request: Request) -> Principal | None:
    token = _token(request)
    return access.principal(farm, token) if token and token.isascii() else None


def _token(request: Request) -> str | None:
    user, password = request.basic() or ("", "")
    return request.bearer() or password or user or request.query.get("token") or page_session.token_of(request)


def _by_secret(farm: Farm, request: Request) -> Principal | None:
    user, secret = request.basic() or ("", "")
    try:
        worker = farm.workers.get(parse_id(user, "worker"))
    except NotFound:
        return None
    if not workers.secret_fits(worker or _STRANGER, secret) or worker is None:
        return None
    return Principal(f"worker {worker.id}", frozenset({Scope.WORKER}), worker.id)
