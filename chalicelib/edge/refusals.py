"""How the edge itself says no where no room does: by the guard, and at paths that are no room's (`http.Room`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

API = "/api/v1"
"""The farm's own API: what is below it is answered with problem documents (RFC 9457)."""
PROBLEM_TYPE = "application/problem+json"
NO_INTERFACE = "No interface defined for URL"


class Refusal(NamedTuple):
    content_type: str
    body: Mapping[str, Any]


def refusal(path: str, status: int, message: str) -> Refusal:
    """`path` as sent or as a route's pattern."""
    if is_api(path):
        return Refusal(PROBLEM_TYPE, problem(status, message))
    return Refusal("application/json", {"code": status, "status": "error", "message": message})


def is_api(path: str) -> bool:
    return path == API or path.startswith(API + "/")


def allow_header(methods: Iterable[str]) -> str:
    return ", ".join(sorted(methods))


def problem(status: int, detail: str, **members: Any) -> dict[str, Any]:
    """A problem document whose type is nothing more than its status. Members that are None are left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return {"type": "about:blank", "title": title(status), "status": status, "detail": detail, **given}


def title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
