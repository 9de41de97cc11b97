"""How this room answers: JSON or nothing, and `{"message": ...}` where something is wrong.

The protocol's callers take 400 and 404 for "there is nothing", 500 and above for a failure, 204 for done; anything
else has to be JSON, or they crash.
"""

from __future__ import annotations

from ...core.errors import BadInput, Conflict, FarmError, Forbidden, NotFound, Unavailable
from ...core.ports import ObjectMismatch, TableUnavailable
from ...edge.auth import Unauthenticated
from ...edge.failures import OUR_FAULT, log_failure
from ...edge.http import Reply, Request, json_reply
from ...edge.refusals import NO_INTERFACE
from .compilers import UnknownType
from .forms import TooLarge

RETRY_SECONDS = "2"
DONE = Reply(204)


class NoInterface(NotFound):
    """The path names nothing: what should be a number is none."""


class Stop(FarmError):
    """A worker that pulls hears this as 403, and ends its program."""


def path_number(text: str) -> int:
    """A decimal integer in a path. Raises NoInterface."""
    if text.isascii() and text.isdigit() and len(text) <= 19:
        return int(text)
    raise NoInterface(NO_INTERFACE)


def on_error(request: Request, error: Exception) -> Reply:
    """What a view raised, in this room's words."""
    if isinstance(error, Stop):
        return json_reply(error.message, 403)
    if isinstance(error, NoInterface):
        return refuse(404, NO_INTERFACE)
    if isinstance(error, Unavailable | TableUnavailable):
        return json_reply({"message": "the farm is busy; try again"}, 503, {"Retry-After": RETRY_SECONDS})
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return json_reply({"message": str(error) or kind.__name__}, status)
    log_failure(request, error)
    return json_reply({"message": OUR_FAULT}, 500)


def refuse(status: int, message: str) -> Reply:
    """What no view sees. Only the URL that names nothing has a code."""
    return json_reply({"code": 404, "message": message} if status == 404 else {"message": message}, status)


_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    # Subclasses before their parents.
    (UnknownType, 500),  # as the protocol has it
    (TooLarge, 413),
    (BadInput, 400),
    (ObjectMismatch, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Unauthenticated, 401),
    (Forbidden, 403),
)
