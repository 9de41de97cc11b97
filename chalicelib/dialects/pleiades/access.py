"""Who may make which call of this room.

Pleiades knows no credentials. On an open farm nobody is asked for any, except that a worker which registered natively
has a secret, and then only its holder speaks for it. On a farm with tokens a Pleiades client has to send one
(`Authorization: Bearer`), in front of it or by itself.
"""

from __future__ import annotations

from ...core import workers
from ...core.access import Scope
from ...core.errors import Forbidden, NotFound
from ...core.farm import Farm
from ...core.ids import parse_id
from ...core.model import Worker, WorkerId
from ...edge import auth
from ...edge.http import Request


def native_worker(farm: Farm, request: Request, worker_id: str) -> Worker:
    """The worker of the path, who has proved by its secret to be it. Natively there is no worker without one."""
    worker = auth.worker_of(farm, request, worker_id)
    if worker.secret_hash is None:
        raise auth.Unauthenticated("this worker has no secret; register it with `worker` to speak natively")
    return worker


def any_worker(farm: Farm, request: Request, worker_id: str) -> Worker:
    """The worker of the path: with its secret if it has one, else as anybody who may work here."""
    who = auth.require_or_worker(farm, request, Scope.WORKER)
    worker = workers.get(farm, parse_id(worker_id, "worker"))
    if worker.secret_hash is not None:
        return auth.worker_of(farm, request, worker_id)
    if who.worker is not None:
        raise Forbidden("this secret is another worker's")
    return worker


def speaker(farm: Farm, request: Request) -> WorkerId | None:
    """The worker that shows its secret with this call; None for everybody else."""
    user, secret = request.basic() or ("", "")
    try:
        worker = workers.get(farm, parse_id(user, "worker"))
    except NotFound:
        return None
    return worker.id if workers.secret_fits(worker, secret) else None
