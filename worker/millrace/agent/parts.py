"""An output that one request does not carry on AWS, in parts past the manager (`POST /worker/{id}/parts`).

Called by `transfer` when the farm says so of what was announced. Four parts at a time, each signed just before it is
sent: one that breaks off, or whose request is too old, is signed and sent again. S3 holds each part to its digest but
not the whole to its own, so all digests are made in one pass before, and the file is refused if it is not what was
announced. Nothing is kept in memory but digests. Given up, the upload is aborted; of a worker that dies half way the
store forgets the parts, after a week on S3, and the next attempt begins anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from millrace.agent.client import FarmClient
from millrace.agent.errors import CommandFailed, NotRecognised, Refused, Unreachable
from millrace.agent.protocol import JsonObject, LeaseId
from millrace.agent.retrying import until_answered
from millrace.agent.streams import BLOCK_BYTES, Wait, all_at_once

ABORT_SECONDS = 5.0
"""For the farm's answer: whoever gives up has little time left."""


@dataclass(frozen=True)
class _Upload:
    client: FarmClient
    lease: LeaseId
    blob: str
    id: str
    path: Path
    wait: Wait

    def call(self, action: str, **about: object) -> JsonObject:
        return self.client.parts(action, self.lease, self.blob, {"upload": self.id, **about})

    def abort(self) -> None:
        with contextlib.suppress(Refused, NotRecognised, Unreachable):
            self.client.parts("abort", self.lease, self.blob, {"upload": self.id}, ABORT_SECONDS)


@dataclass(frozen=True)
class _Piece:
    number: int
    offset: int
    size: int
    sha256: str


def send_in_parts(
    client: FarmClient, lease: LeaseId, blob: str, path: Path, size: int, sha256: str, wait: Wait
) -> None:
    """Raises Refused, CommandFailed when the file is no longer what was announced, and what `wait` raises."""
    begun = until_answered(lambda: client.parts("begin", lease, blob, {}), wait)
    if begun.get("upload") is None:
        return
    upload = _Upload(client, lease, blob, str(begun["upload"]), path, wait)
    try:
        pieces = _pieces(path, size, sha256, int(begun["part_bytes"]), wait)
        sent = all_at_once(lambda piece: _send(upload, piece), pieces)
        until_answered(lambda: upload.call("complete", parts=sent), wait)
    except BaseException:
        upload.abort()
        raise


def _pieces(path: Path, size: int, sha256: str, part_bytes: int, wait: Wait) -> list[_Piece]:
    whole, pieces = hashlib.sha256(), list[_Piece]()
    with open(path, "rb") as file:
        for offset in range(0, size, part_bytes):
            left = piece_bytes = min(part_bytes, size - offset)
            digest = hashlib.sha256()
            while left and (block := file.read(min(BLOCK_BYTES, left))):
                digest.update(block)
                whole.update(block)
                left -= len(block)
                wait(0)
            pieces.append(_Piece(len(pieces) + 1, offset, piece_bytes, digest.hexdigest()))
    if whole.hexdigest() != sha256:
        raise CommandFailed(f"{path.name} changed while it was uploaded")
    return pieces


def _send(upload: _Upload, piece: _Piece) -> dict[str, Any]:
    """The part as `complete` names it."""
    part = {"number": piece.number, "sha256": piece.sha256}

    def once() -> str:
        upload.wait(0)
        signed = upload.call("sign", parts=[part])["uploads"][0]
        with open(upload.path, "rb") as file:
            file.seek(piece.offset)
            body = cast(IO[bytes], _Window(file, piece.size, upload.wait))
            return upload.client.put_bytes(signed["url"], signed.get("headers") or {}, body, piece.size)

    return {**part, "etag": until_answered(once, upload.wait)}


class _Window(io.RawIOBase):
    """The next `size` bytes of a file, for as long as somebody wants them."""

    def __init__(self, file: IO[bytes], size: int, wait: Wait) -> None:
        self._file = file
        self._left = size
        self._wait = wait

    def readable(self) -> bool:
        return True

    def read(self, amount: int = -1) -> bytes:
        self._wait(0)
        data = self._file.read(self._left if amount < 0 else min(self._left, amount))
        if self._left and amount and not data:
            raise CommandFailed(f"{self._file.name} became shorter while it was uploaded")
        self._left -= len(data)
        return data
