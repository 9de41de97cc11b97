"""The part `file` of a multipart form, read as a stream in constant memory.

The content store wants to know size and SHA-256 before the first byte, so the form is read twice: once to measure,
once to store. Both passes stop reading memory-wise at one chunk, whatever the size.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from ...core.errors import BadInput
from ...edge.http import Request

PART = "file"
NO_FILE = "http: no such file"
"""What Go's library says for a missing part, and so the original server."""
CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Measured:
    size: int
    sha256: str


def measure(request: Request) -> Measured:
    """Size and digest of the part. Raises BadInput when there is no such part, or the form is broken or cut off."""
    digest, size = hashlib.sha256(), 0
    with request.open_body() as body:
        for chunk in _content(request, body):
            digest.update(chunk)
            size += len(chunk)
    return Measured(size, digest.hexdigest())


def open_part(request: Request, body: BinaryIO) -> BinaryIO:
    """The part's content as a stream, for a form that `measure` has read to its end."""
    return cast(BinaryIO, _Chunks(_content(request, body)))


def _content(request: Request, body: BinaryIO) -> Iterator[bytes]:
    """The chunks of the first part of that name. The form is read to its end: one that was cut off is refused."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise BadInput(NO_FILE, field=PART)
    found = inside = False
    try:
        for event in PushMultipartParser(options["boundary"]).parse_blocking(body.read, CHUNK_BYTES):
            if isinstance(event, MultipartSegment):
                inside = event.name == PART and not found
                found = found or inside
            elif event is not None and inside:
                yield bytes(event)
    except MultipartError as error:
        raise BadInput(f"the form is broken or incomplete: {error}", field=PART) from None
    if not found:
        raise BadInput(NO_FILE, field=PART)


class _Chunks(io.RawIOBase):
    """A readable stream over an iterator of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
