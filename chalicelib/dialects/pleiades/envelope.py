"""The envelope of this room: how success, failure and JSON bodies look on the wire, old and native calls alike.

Every reply has `code` and `status`; failures have `message` as well. Successes have it only where the protocol's sheet
says so (section 2.2): there are clients that break on a key they do not know. Views raise the core's errors; here they
get their HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import BadInput, Conflict, Forbidden, NotFound, Unavailable
from ...core.ports import ObjectMismatch, TableUnavailable
from ...edge.auth import Unauthenticated
from ...edge.failures import OUR_FAULT, log_failure
from ...edge.http import Reply, Request, json_reply
from ...edge.json_text import strict_json

GENERAL_ERROR = 1
NO_SUCH_BLOB = 601
RETRY_SECONDS = "2"
LARGEST_JSON_BYTES = 1 << 20


class TooLarge(BadInput):
    """The body is too large for this way."""


def ok(**fields: Any) -> Reply:
    """200 with the envelope first, as the original server wrote it."""
    return json_reply({"code": 0, "status": "ok", **fields})


def failure(status: int, message: str, code: int = GENERAL_ERROR, headers: Mapping[str, str] | None = None) -> Reply:
    return json_reply({"code": code, "status": "error", "message": message}, status, headers or {})


def on_error(request: Request, error: Exception) -> Reply:
    """What a view raised, in this room's words."""
    return _refusal(request, error, GENERAL_ERROR)


def on_blob_error(request: Request, error: Exception) -> Reply:
    """The same for blob routes, where a thing that is not there has a code of its own."""
    return _refusal(request, error, NO_SUCH_BLOB if isinstance(error, NotFound) else GENERAL_ERROR)


def _refusal(request: Request, error: Exception, code: int) -> Reply:
    if isinstance(error, Unavailable | TableUnavailable):
        return failure(503, "the farm is busy; try again", code, {"Retry-After": RETRY_SECONDS})
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return failure(status, str(error) or kind.__name__, code)
    log_failure(request, error)
    return failure(500, OUR_FAULT, code)


_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    # Subclasses before their parents.
    (TooLarge, 413),
    (BadInput, 400),
    (ObjectMismatch, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Unauthenticated, 401),
    (Forbidden, 403),
)


def json_object(request: Request, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The body as a JSON object, whatever its Content-Type says. Raises BadInput or TooLarge."""
    if request.spool is not None and request.spool.size > LARGEST_JSON_BYTES:
        raise TooLarge(f"a JSON body of {request.spool.size} bytes is too large")
    with request.open_body() as body:  # what calls itself a form is spooled, whatever it is
        data = body.read()
    if may_be_empty and not data.strip():
        return {}
    value = strict_json(data)
    if not isinstance(value, dict):
        raise BadInput("the body must be a JSON object")
    return value
