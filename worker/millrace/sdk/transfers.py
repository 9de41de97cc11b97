"""Bytes to and from the farm's blobs, streamed in constant memory. Called by `Farm.upload` and `Farm.download`.

Both may be repeated: content is named by its digest, and a download gets its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePosixPath

from millrace import s3
from millrace.files.paths import wrong_with
from millrace.sdk.calls import DISTURBANCES, Breaks, Calls, cause
from millrace.sdk.errors import Damaged, Unreachable
from millrace.sdk.parts import upload_in_parts
from millrace.sdk.sending import CHUNK, Body, OnBytes, Slice, put, without_credentials
from millrace.sdk.values import Output

_DRIVE = re.compile("[A-Za-z]:")
"""Within a zip file too, which may be unpacked on Windows. Elsewhere in a name a colon is a sign as others."""


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
    breaks = Breaks(calls.patience_seconds)
    while True:
        # Announced anew for each try: the signed request may have expired meanwhile.
        blob = calls.json("POST", "/blobs", repeatable=True, json={"size": size, "sha256": sha256})
        number, signed = str(blob["id"]), blob.get("upload")
        if signed is None:
            return number
        if size > s3.REQUEST_BYTES:
            upload_in_parts(calls, number, path, size, sha256, on_bytes)
            return number
        body = Body([Slice(path, 0, size)], lambda done: on_bytes(done, size) if on_bytes else None)
        with without_credentials() as session:
            outcome = put(calls, session, signed, body)
        if not isinstance(outcome, str):
            return number
        if not breaks.wait(body.done):
            raise Unreachable(f"the upload of {path} breaks off again and again: {outcome}")


def download(calls: Calls, output: Output, target: Path, on_bytes: OnBytes | None = None) -> Path:
    """Write one output to a file, checked against its size and digest; its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    breaks = Breaks(calls.patience_seconds)
    try:
        while True:
            try:
                _fetch(calls, output, part, on_bytes)
                break
            except DISTURBANCES as error:
                if not breaks.wait(part.stat().st_size if part.exists() else 0):
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
