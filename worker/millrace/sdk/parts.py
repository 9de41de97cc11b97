"""Content that one request does not carry on AWS, in parts (`POST /api/v1/blobs/{id}/parts`, `docs/files.md`).

Called by `transfers.upload`. One part after the other, each sent again on its own. The store holds each to its digest;
the whole is held to its own here, since S3 cannot, before the parts are joined. Who dies half way leaves parts that the
store forgets.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from millrace.sdk.calls import Breaks, Calls
from millrace.sdk.errors import BadRequest, FarmError, Unreachable
from millrace.sdk.sending import CHUNK, Body, OnBytes, Slice, put, without_credentials


def upload_in_parts(calls: Calls, blob: str, path: Path, size: int, sha256: str, on_bytes: OnBytes | None) -> None:
    """Raises as `transfers.upload`."""
    way = f"/blobs/{blob}/parts"
    begun = calls.json("POST", way, repeatable=True, json={})
    upload, part_bytes = begun["upload"], int(begun["part_bytes"])
    if upload is None:
        return
    whole, sent = hashlib.sha256(), list[dict[str, Any]]()
    try:
        with without_credentials() as session:
            for number in range(1, int(begun["parts"]) + 1):
                offset = (number - 1) * part_bytes
                piece = Slice(path, offset, min(part_bytes, size - offset))
                part = {"number": number, "sha256": _digest(piece, whole)}
                tell = _told(on_bytes, offset, size)
                sent.append({**part, "etag": _send(calls, session, way, upload, part, piece, tell)})
        if whole.hexdigest() != sha256:
            raise BadRequest({"status": 400, "detail": f"{path} changed while it was uploaded"})
        calls.json("POST", f"{way}/complete", repeatable=True, json={"upload": upload, "parts": sent})
    except Exception:
        with contextlib.suppress(FarmError):  # the store forgets it by itself, later
            calls.send("POST", f"{way}/abort", repeatable=False, json={"upload": upload})
        raise


def _digest(piece: Slice, whole: Any) -> str:
    """Of this part; `whole` goes on with it."""
    digest, left = hashlib.sha256(), piece.size
    with piece.file.open("rb") as file:
        file.seek(piece.offset)
        while data := file.read(min(CHUNK, left)):
            digest.update(data)
            whole.update(data)
            left -= len(data)
    return digest.hexdigest()


def _send(
    calls: Calls,
    session: requests.Session,
    way: str,
    upload: str,
    part: dict[str, Any],
    piece: Slice,
    tell: Callable[[int], None],
) -> str:
    """What the store calls the part, its ETag; empty if it does not say."""
    breaks = Breaks(calls.patience_seconds)
    while True:
        answer = calls.json("POST", f"{way}/sign", repeatable=True, json={"upload": upload, "parts": [part]})
        body = Body([piece], tell)
        outcome = put(calls, session, answer["parts"][0], body)
        if not isinstance(outcome, str):
            return outcome.headers.get("ETag", "")
        if not breaks.wait(body.done):
            raise Unreachable(f"the upload of {piece.file} breaks off again and again: {outcome}")


def _told(on_bytes: OnBytes | None, offset: int, size: int) -> Callable[[int], None]:
    return lambda done: None if on_bytes is None else on_bytes(offset + done, size)
