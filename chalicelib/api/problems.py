"""From what a view raised to a problem document (RFC 9457).

Total: every error has an answer, and none tells of our insides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..core.errors import AtWork, BadInput, Changed, Conflict, FarmError, Forbidden, NotFound, Unavailable
from ..core.ports import ObjectMismatch, TableUnavailable
from ..edge.failures import OUR_FAULT, log_failure
from ..edge.http import Reply, Request
from ..edge.refusals import PROBLEM_TYPE, problem

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="millrace"'}
RETRY_AFTER_SECONDS = 2
MOST_FIELDS = 20
"""Wrong fields named in one answer."""


class BadFields(BadInput):
    """Several fields may be wrong: `(field, what is wrong with it)` each."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = list(errors)
        field, detail = self.errors[0]
        super().__init__(detail, field=field or None)


class TooLarge(BadInput):
    """The body is too large."""


STATUSES: tuple[tuple[type[FarmError], int], ...] = (
    # Subclasses before their parents.
    (TooLarge, 413),
    (BadInput, 400),
    (NotFound, 404),
    (Changed, 412),
    (Conflict, 409),
    (Forbidden, 403),
    (Unavailable, 503),
)


def on_error(request: Request, error: Exception) -> Reply:
    """The reply to a request whose view raised this."""
    if isinstance(error, FarmError) and (status := status_of(error)) is not None:
        return _reply(status, error.message, _headers(status), field=getattr(error, "field", None), **_all(error))
    if isinstance(error, ObjectMismatch):
        return _reply(400, str(error))
    if isinstance(error, TableUnavailable):
        return _reply(503, "the farm is busy; try again", _headers(503))
    log_failure(request, error)
    return _reply(500, OUR_FAULT)


def refuse(status: int, message: str) -> Reply:
    """What no view sees: an unknown path or method, and what a server refuses by itself."""
    return _reply(status, message)


def status_of(error: FarmError) -> int | None:
    """`Forbidden` says itself whether nobody asked (401) or the wrong one (403)."""
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return 401 if kind is Forbidden and error.context.get("status") == 401 else status
    return None


def refused_fields(invalid: ValidationError, known: Iterable[str]) -> BadFields:
    """A model's complaints in our words; `known` are the fields there are."""
    errors = invalid.errors(include_url=False, include_input=False, include_context=False)
    return BadFields([(_dotted(error), _text(error, known)) for error in errors[:MOST_FIELDS]])


def _dotted(error: ErrorDetails) -> str:
    return ".".join(str(part)[:60] for part in error["loc"])


def _text(error: ErrorDetails, known: Iterable[str]) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no such field; there are {', '.join(known) or 'none'}"
    if error["type"] == "missing":
        return "this field is needed"
    return error["msg"].removeprefix("Value error, ")


def _all(error: FarmError) -> dict[str, Any]:
    if isinstance(error, AtWork):
        return {"at_work": True}
    if not isinstance(error, BadFields) or len(error.errors) == 1:
        return {}
    return {"errors": [{"field": field, "detail": detail} for field, detail in error.errors]}


def _headers(status: int) -> Mapping[str, str]:
    if status == 503:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return CHALLENGE if status == 401 else {}


def _reply(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Reply:
    body = json.dumps(problem(status, detail, **members), ensure_ascii=False, separators=(",", ":"))
    return Reply(status, body.encode("utf-8", "replace"), PROBLEM_TYPE, headers or {})
