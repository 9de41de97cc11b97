"""How this room answers: texts, nothing, and errors as this protocol has them.

Two calls break a real worker when they are answered wrongly, so they have translations of their own: an update is
repeated for ever unless it gets 2xx, 404 or 409, and `may-i-run` kills the worker's polling unless it gets its JSON.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...core.errors import BadInput, Conflict, Forbidden, NotFound, Unavailable
from ...core.ports import TableUnavailable
from ...edge.auth import Unauthenticated
from ...edge.failures import OUR_FAULT, log_failure
from ...edge.http import Reply, Request, json_reply

TEXT = "text/plain; charset=utf-8"
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Flamenco Manager"'}
RETRY = {"Retry-After": "2"}


def text(status: int, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    body = message.encode("utf-8", "replace")
    return Reply(status, body, TEXT, {"X-Content-Type-Options": "nosniff", **(headers or {})})


def nothing() -> Reply:
    return Reply(204)


def on_error(request: Request, error: Exception) -> Reply:
    if isinstance(error, Unauthenticated):
        return text(401, "401 Unauthorized", CHALLENGE)
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return text(status, str(error), RETRY if status == 503 else None)
    log_failure(request, error)
    return text(500, OUR_FAULT)


def refuse(status: int, message: str) -> Reply:
    """What no view sees."""
    if status == 405:
        return Reply(405, b"", TEXT)
    return text(status, "404 page not found\n" if status == 404 else message)


_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    # Subclasses before their parents.
    (BadInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Forbidden, 403),
    (Unavailable, 503),
    (TableUnavailable, 503),
)


def on_update_error(request: Request, error: Exception) -> Reply:
    """Only what may be better the next time is to be sent again."""
    if isinstance(error, BadInput):
        return text(409, str(error))
    return on_error(request, error)


def on_may_i_run_error(request: Request, error: Exception) -> Reply:
    """A farm in trouble stops nobody: without renewal the lease ends in time, and the worker hears of it."""
    if isinstance(error, Unauthenticated):
        return on_error(request, error)
    on_error(request, error)
    return json_reply({"may_keep_running": True})
