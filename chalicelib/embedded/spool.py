"""Bodies too large for memory, on their way to a view.

Up to 1 MB a body reaches its view as bytes. Anything larger, and every multipart form, is written to a file while it
arrives; the view finds `requestContext.spool` and may adopt the file (`FileObjectStore.adopt`). Otherwise it goes when
the request ends. A file left by a crash goes with the object store's own left-overs, a day later.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from chalicelib.embedded.http1 import Head, Refused
from chalicelib.embedded.incoming import Body
from chalicelib.store.files import DISK_RESERVE_BYTES

INLINE_BYTES = 1024 * 1024
MAX_SPOOLED_BYTES = 64 * 1024 * 1024
"""For bodies that are no forms: nothing but an upload is larger, and uploads are forms or signed."""
_CHECK_DISK_EVERY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Payload:
    """A body as its view gets it: as bytes, or as a file with the size and SHA-256 of the raw body."""

    data: bytes = b""
    path: Path | None = None
    size: int = 0
    sha256: str = ""

    def as_context(self) -> dict[str, Any]:
        return {"path": str(self.path), "size": self.size, "sha256": self.sha256}


@contextmanager
def received(head: Head, body: Body, folder: Path) -> Iterator[Payload]:
    """The complete body. Raises Refused (413, 507) or CutOff, and then keeps nothing."""
    is_form = head.headers.get("content-type", "").lower().startswith("multipart/form-data")
    limit = None if is_form else MAX_SPOOLED_BYTES
    if limit is not None and (head.content_length or 0) > limit:
        raise _too_large(limit)
    start = b"" if is_form else _up_to(INLINE_BYTES + 1, body)
    if body.finished and not is_form and len(start) <= INLINE_BYTES:
        yield Payload(start)
        return
    path = folder / f"spool-{secrets.token_hex(12)}"
    try:
        yield _spooled(start, body, path, limit)
    finally:
        with suppress(OSError):  # where it could not be written it cannot be removed; what failed before says more
            path.unlink(missing_ok=True)  # adopted: gone already


def check_disk(folder: Path, wanted: int | None) -> None:
    """Raises Refused (507) unless so many bytes fit and leave the reserve that the table needs to go on."""
    if shutil.disk_usage(folder).free - (wanted or 0) < DISK_RESERVE_BYTES:
        raise Refused(507, "the farm's disk is full; nothing was kept", close=True)


def _spooled(start: bytes, body: Body, path: Path, limit: int | None) -> Payload:
    check_disk(path.parent, body.left)
    try:
        with open(path, "xb") as file:
            size, sha256 = _copy(start, body, file, path.parent, limit)
    except OSError as error:
        raise Refused(507, f"the farm's disk does not take the body: {error.strerror}", close=True) from error
    return Payload(path=path, size=size, sha256=sha256)


def _copy(start: bytes, body: Body, file: BinaryIO, folder: Path, limit: int | None) -> tuple[int, str]:
    digest, size, checked_at = hashlib.sha256(), 0, 0
    chunk = start or body.read()
    while chunk:
        size += len(chunk)
        if limit is not None and size > limit:
            raise _too_large(limit)
        if size - checked_at >= _CHECK_DISK_EVERY_BYTES:
            check_disk(folder, body.left)
            checked_at = size
        digest.update(chunk)
        file.write(chunk)
        chunk = body.read()
    return size, digest.hexdigest()


def _up_to(size: int, body: Body) -> bytes:
    data = body.read(size)
    if body.finished or len(data) == size:
        return data
    whole = bytearray(data)
    while len(whole) < size and (data := body.read(size - len(whole))):
        whole += data
    return bytes(whole)


def _too_large(limit: int) -> Refused:
    message = f"a body that is no form has at most {limit} bytes; upload larger ones by a signed request"
    return Refused(413, message, close=True)
