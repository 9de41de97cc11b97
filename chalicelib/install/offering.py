"""What a running worker hears of the release that this farm serves: only one that says what it has, and has another."""

from __future__ import annotations

import re
from typing import Any

from ..core.errors import NotFound
from ..edge import current
from ..edge.http import Request
from . import served

HEADER = "x-millrace-wheel"
"""Sent by a worker that may replace itself: the SHA-256 of the wheel that it was installed from."""


def offered(request: Request) -> dict[str, Any]:
    """`{"upgrade": {"version", "sha256", "file"}}` for the answer, or nothing."""
    installed = request.headers.get(HEADER, "")
    if not re.fullmatch("[0-9a-f]{64}", installed):
        return {}
    try:
        wheel = served.found(current.settings().worker_wheel).wheel
    except NotFound:
        return {}
    if wheel.sha256 == installed:
        return {}
    return {"upgrade": {"version": wheel.version, "sha256": wheel.sha256, "file": wheel.name}}
