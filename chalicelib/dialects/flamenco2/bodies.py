"""The bytes of a request's body, up to what each call may send."""

from __future__ import annotations

from ...edge.http import Request
from .wire import Malformed

LARGEST_BYTES = 1 << 20
LARGEST_UPDATE_BYTES = 32 << 20
"""A worker that was cut off for hours sends its whole log at once, and nothing behind it until that is taken."""


def read_body(request: Request) -> bytes:
    """Raises Malformed."""
    data = _up_to(request, LARGEST_BYTES)
    if data is None:
        raise Malformed(f"a body has at most {LARGEST_BYTES} bytes")
    return data


def read_update(request: Request) -> bytes:
    """Nothing for one that is too large: to refuse it would be to get it again for ever."""
    return _up_to(request, LARGEST_UPDATE_BYTES) or b""


def _up_to(request: Request, most: int) -> bytes | None:
    size = request.spool.size if request.spool is not None else len(request.body)
    if size > most:
        return None
    with request.open_body() as body:
        return body.read()
