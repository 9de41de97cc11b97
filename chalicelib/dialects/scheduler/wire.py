"""The protocol's shapes: three requests, all of strings, and four replies."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from ...edge.http import Reply, Request
from . import go_json

MOST_BYTES = 1024 * 1024
PLAIN_TEXT = "text/plain; charset=utf-8"
METHODS = "OPTIONS, POST"


@dataclass(frozen=True)
class _Body:
    STRUCT: ClassVar[str]
    """What the original calls it; its error texts say so."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """Whatever the content type. Raises go_json.Malformed."""
        if request.spool is not None or len(request.body) > MOST_BYTES:
            raise go_json.Malformed(f"the request body is longer than {MOST_BYTES} bytes")
        names = [field.name for field in fields(cls)]
        return cls(**go_json.texts(request.body, cls.STRUCT, names))


@dataclass(frozen=True)
class Start(_Body):
    STRUCT = "apiStartJobReq"

    worker_id: str
    command: str
    path: str


@dataclass(frozen=True)
class Stop(_Body):
    STRUCT = "apiStopJobReq"

    worker_id: str
    job_id: str


@dataclass(frozen=True)
class Query(_Body):
    STRUCT = "apiQueryJobReq"

    worker_id: str
    job_id: str


def reply(status: int, **fields: Any) -> Reply:
    return Reply(status, go_json.compact(fields), "application/json")


def failure(text: str, status: int = 500) -> Reply:
    """The envelope of every failure."""
    return reply(status, error=text)


def method_not_allowed() -> Reply:
    return Reply(405, b"Method Not Allowed\n", PLAIN_TEXT, {"Allow": METHODS})
