"""Who may make which call of this room.

Workers send HTTP Basic with their id and the secret they chose, on every farm. Registration asks for a token signed
with the farm's registration secret, where it has one; on a farm with tokens one of scope `worker` is as good, and
without a registration secret the only way in. The dashboard's calls need a token of the farm, unless it is open.
"""

from __future__ import annotations

from ...core import worker_secrets, workers
from ...core.access import Scope
from ...core.errors import Forbidden, NotFound
from ...core.farm import Farm
from ...core.model import Worker
from ...edge import auth, current, hexids
from ...edge.http import Request
from . import registration_token


def worker_of(farm: Farm, request: Request) -> Worker:
    """The worker that calls. Raises Unauthenticated, after the same work whatever is wrong."""
    user, secret = request.basic() or ("", "")
    try:
        worker = farm.workers.get(hexids.id_of(user, "worker"))
    except NotFound:
        worker = None
    if not worker_secrets.fits(worker.secret_hash if worker else None, secret) or worker is None:
        raise auth.Unauthenticated("401 Unauthorized")
    return worker


def seen(farm: Farm, request: Request, *, awake: bool) -> Worker:
    """The worker that calls, noted as alive, and as awake where only a worker that is awake makes that call."""
    return workers.contact(
        farm,
        worker_of(farm, request),
        wants_work=awake,
        wakes_sleepers=True,
        address=request.peer,
        software=request.headers.get("user-agent", "")[:200],
    )


def may_register(farm: Farm, request: Request) -> None:
    """Raises Forbidden, with the texts that the protocol has for it."""
    settings = current.settings()
    secret = settings.flamenco_registration_secret
    if secret is None and settings.auth == "open":
        return
    if secret is not None and registration_token.is_valid(request.bearer() or "", secret, farm.clock.now() / 1000):
        return
    if settings.auth != "open" and _has_token(farm, request):
        return
    found = "Invalid" if request.bearer() else "Missing"
    raise Forbidden(f"{found} Bearer token for registration")


def _has_token(farm: Farm, request: Request) -> bool:
    try:
        auth.require(farm, request, Scope.WORKER)
    except Forbidden:
        return False
    return True


def person(farm: Farm, request: Request, scope: Scope) -> None:
    """Raises Unauthenticated or Forbidden."""
    auth.require(farm, request, scope)
