"""One id for each request, by which its log lines, here and at the worker that sent it, are found together.

A client may name it (`X-Request-Id`); ours do. What could not stand in a log as it is, is replaced by an id of our own.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "x-request-id"
_ALLOWED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)
_lines: ContextVar[list[None] | None] = ContextVar("request_lines", default=None)
"""One for each line; a list, since a table may write in a copy of the context."""


def current() -> str | None:
    """The id of the request that this thread works on."""
    return _current.get()


def told() -> None:
    """A line was logged."""
    if (lines := _lines.get()) is not None:
        lines.append(None)


def has_lines() -> bool:
    """Whether the request that this thread works on has been in the log."""
    return bool(_lines.get())


@contextmanager
def serving(named: str | None) -> Iterator[str]:
    """Within: the request has this id, or a new one."""
    found = named if named is not None and _ALLOWED.fullmatch(named) else secrets.token_hex(8)
    token = _current.set(found)
    lines = _lines.set([])
    try:
        yield found
    finally:
        _lines.reset(lines)
        _current.reset(token)
