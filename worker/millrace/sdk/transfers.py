"""Bytes to and from the farm's blobs, streamed in constant memory. Called by `Farm.upload` and `Farm.download`.

Both may be repeated: content is named by its digest, and a download gets its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urljoin

from millrace.files.paths import wrong_with
from millrace.sdk.calls import DISTURBANCES, LATER, TIMEOUT_SECONDS, Calls, Patience, cause, successful
from millrace.sdk.errors import BadRequest, Damaged, Unreachable
from millrace.sdk.sessions import Session
from millrace.sdk.values import Json, Output

CHUNK = 1 << 20

_DRIVE = re.compile("[A-Za-z]:")
"""Within a zip file too, which may be unpacked on Windows. Elsewhere in a name a colon is a sign as others."""

OnBytes = Callable[[int, int], None]
"""Told (bytes done, bytes in all)."""


def digest_of(path: Path) -> tuple[int, str]:
    """(size in bytes, SHA-256 as hex)."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def upload(calls: Calls, path: Path, on_bytes: OnBytes | None = None) -> str:
    """Store a file, unless the farm has its content already. The blob's id. Raises OSError, and what errors.py says."""
    size, sha256 = digest_of(path)
    patience = Patience(calls.patience_seconds)
    while True:
        # Announced anew for each try: the signed request may have expired meanwhile.
        blob = calls.json("POST", "/blobs", repeatable=True, json={"size": size, "sha256": sha256})
        request = blob.get("upload")
        if request is None or _stored(calls, request, path, size, on_bytes):
            return str(blob["id"])
        if not patience.wait():
            raise Unreachable(f"the upload of {path} breaks off again and again")


def _stored(calls: Calls, request: Json, path: Path, size: int, on_bytes: OnBytes | None) -> bool:
    """False when the upload broke off and is worth another try."""
    with path.open("rb") as file:
        body = (
            _Counted(file, size, on_bytes) if size else b""
        )  # requests would send an empty file chunked; S3 refuses that
        url, headers = urljoin(calls.url, request["url"]), dict(request["headers"])
        try:
            # Not the calls' session: the signed request says everything, and the store must not see the farm's token.
            with without_credentials() as session:
                response = session.request(request["method"], url, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except DISTURBANCES:
            return False
    if response.status_code in LATER:
        return False
    if response.status_code == 400 and digest_of(path)[0] != size:
        raise BadRequest({"status": 400, "detail": f"{path} changed while it was uploaded"})
    successful(response)
    return True


def without_credentials() -> Session:
    session = Session()
    session.auth = lambda request: request
    return session


class _Counted:
    """A file that tells how much of it was read. Its length lets requests announce the size instead of chunking."""

    def __init__(self, file: BinaryIO, size: int, on_bytes: OnBytes | None) -> None:
        self.file, self.size, self.done, self.on_bytes = file, size, 0, on_bytes

    def __len__(self) -> int:
        return self.size

    def read(self, amount: int = CHUNK) -> bytes:
        # http.client asks for 8 KiB at a time; larger pieces cost a tenth of the time.
        piece = self.file.read(max(amount, CHUNK) if amount >= 0 else -1)
        self.done += len(piece)
        if self.on_bytes and piece:
            self.on_bytes(self.done, self.size)
        return piece


def download(calls: Calls, output: Output, target: Path, on_bytes: OnBytes | None = None) -> Path:
    """Write one output to a file, checked against its size and digest; its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    patience = Patience(calls.patience_seconds)
    try:
        while True:
            try:
                _fetch(calls, output, part, on_bytes)
                break
            except DISTURBANCES as error:
                if not patience.wait():
                    raise Unreachable(
                        f"the download of {output.name} breaks off again and again: {cause(error)}"
                    ) from error
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _fetch(calls: Calls, output: Output, part: Path, on_bytes: OnBytes | None) -> None:
    digest, done = hashlib.sha256(), 0
    with (
        calls.send("GET", f"/blobs/{output.blob}/content", repeatable=True, stream=True) as response,
        part.open("wb") as file,
    ):
        for piece in response.iter_content(CHUNK):
            digest.update(piece)
            file.write(piece)
            done += len(piece)
            if on_bytes:
                on_bytes(done, output.size)
    if (done, digest.hexdigest()) != (output.size, output.sha256):
        raise Damaged(f"{output.name} arrived with {done} bytes of {output.size}, or with another checksum")


def path_within(folder: Path, name: str, *, windows: bool = os.name == "nt") -> Path:
    """Where an output goes. The name comes from a worker: it must not lead out of the folder, nor, on Windows, to a
    device (`NUL`, `COM1`), which every folder there has."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or not pure.name or _DRIVE.match(name) or "\0" in name:
        raise Damaged(f"the output's name {name!r} leads out of the folder; nothing was written")
    if windows and (wrong := wrong_with(str(pure))) is not None:
        raise Damaged(f"the output's name {name!r} {wrong} on Windows; nothing was written")
    return folder / pure
