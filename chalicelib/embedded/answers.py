"""What the embedded server answers: a status, headers and either bytes or a part of an open file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from chalicelib.edge import refusals
from chalicelib.edge.http import Room
from chalicelib.edge.json_text import compact_json
from chalicelib.embedded.http1 import Refused
from chalicelib.embedded.ranges import NotSatisfiable, requested_range

CONTENT_TYPE = "Content-Type"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class FilePart:
    """`length` bytes of an open file from `offset`. Whoever sends the answer closes the file."""

    file: BinaryIO
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    part: FilePart | None = None
    close: bool = False
    """End the connection after this answer."""

    @property
    def length(self) -> int:
        return len(self.body) if self.part is None else self.part.length


def json_answer(status: int, body: Mapping[str, Any], content_type: str = JSON) -> Answer:
    return Answer(status, ((CONTENT_TYPE, content_type),), compact_json(body))


def refusal(refused: Refused, room: Room | None = None, path: str = "/") -> Answer:
    """The server's own errors, in the words of the room that the path belongs to, or in the farm's."""
    if room is not None:
        reply = room.refuse(refused.status, refused.message)
        headers = {CONTENT_TYPE: reply.content_type or JSON, **refused.headers, **reply.headers}
        return Answer(reply.status, tuple(headers.items()), reply.body, close=refused.close)
    content_type, body = refusals.refusal(path, refused.status, refused.message)
    return Answer(
        refused.status,
        ((CONTENT_TYPE, content_type), *refused.headers.items()),
        compact_json(body),
        close=refused.close,
    )


def file_answer(
    file: BinaryIO, size: int, headers: tuple[tuple[str, str], ...], request_headers: Mapping[str, str]
) -> Answer:
    """The whole file (200) or the single range that was asked for (206). Takes over the open file. Raises Refused."""
    headers = (*headers, ("Accept-Ranges", "bytes"))
    try:
        # Without validators we cannot tell whether If-Range holds, and then the whole is right.
        wanted = None if "if-range" in request_headers else requested_range(request_headers.get("range"), size)
    except NotSatisfiable:
        file.close()
        content_range = {"Content-Range": f"bytes */{size}"}
        raise Refused(416, f"the object has {size} bytes", headers=content_range) from None
    if wanted is None:
        return Answer(200, headers, part=FilePart(file, 0, size))
    offset, length = wanted
    headers = (*headers, ("Content-Range", f"bytes {offset}-{offset + length - 1}/{size}"))
    return Answer(206, headers, part=FilePart(file, offset, length))
