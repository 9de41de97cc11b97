"""The envelope of this room: HTTP 200 always, for the worker takes anything else for no answer; what went wrong stands
in `err_code`, and once more in `error_code`, which is what the seed calls it in half of its calls.

`err_msg` is one of four fixed texts. What exactly is wrong is told in the header `X-Millrace-Reason`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...core.errors import BadInput, FarmError, Forbidden
from ...core.ports import TableUnavailable
from ...edge.failures import log_failure
from ...edge.http import Reply, Request, json_reply
from ...edge.json_text import strict_json

OK, FAILURE, INVALID_REQUEST, INVALID_VALUE = 0, -1, -2, -3
MESSAGES: Mapping[int, str] = {
    OK: "ok",
    FAILURE: "Failure",
    INVALID_REQUEST: "Invalid request",
    INVALID_VALUE: "Invalid value",
}


class InvalidValue(FarmError):
    """Not JSON, or a job that is not there: this protocol has one number for both."""


def reply(code: int = OK, headers: Mapping[str, str] | None = None, **payload: Any) -> Reply:
    envelope = {"type": 1, "err_code": code, "error_code": code, "err_msg": MESSAGES[code]}
    return json_reply({**envelope, **payload}, 200, headers or {})


def on_error(request: Request, error: Exception) -> Reply:
    """What a view raised, in this room's numbers."""
    code = code_of(error)
    if code is None:
        log_failure(request, error)
        return reply(FAILURE)
    return reply(code, {"X-Millrace-Reason": _printable(str(error))})


def _printable(reason: str) -> str:
    """As a header may hold it."""
    return reason.encode("ascii", "backslashreplace").decode().replace("\n", " ").replace("\r", " ")[:300]


def refuse(status: int, message: str) -> Reply:
    """What no view sees: a path or a method that is not there, and then the status says so too."""
    worded = reply(FAILURE if status >= 500 else INVALID_REQUEST, {"X-Millrace-Reason": _printable(message)})
    return replace(worded, status=status) if status in (404, 405) else worded


def code_of(error: Exception) -> int | None:
    """None: it is our own fault."""
    if isinstance(error, InvalidValue):
        return INVALID_VALUE
    if isinstance(error, BadInput | Forbidden):
        return INVALID_REQUEST
    return FAILURE if isinstance(error, FarmError | TableUnavailable) else None


def said(request: Request) -> Mapping[str, Any]:
    """What a call says: the JSON object of its body, or the query of a GET. Raises InvalidValue."""
    if request.method == "GET":
        return request.query
    if request.spool is not None:
        raise InvalidValue(f"a body of {request.spool.size} bytes is too large")
    try:
        value = strict_json(request.body)
    except BadInput as error:
        raise InvalidValue(error.message) from None
    if not isinstance(value, dict):
        raise InvalidValue("the body must be a JSON object")
    return value
