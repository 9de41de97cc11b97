"""Bytes of files into a signed request, for `transfers`, `parts` and `folders`: one place says what its answer means.

A request that was signed lasts an hour, so whoever gets "later" asks the farm for a new one before the next try.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import requests

from millrace import s3
from millrace.sdk.calls import DISTURBANCES, LATER, TIMEOUT_SECONDS, Calls, cause, successful
from millrace.sdk.errors import BadRequest
from millrace.sdk.sessions import Session
from millrace.sdk.values import Json

CHUNK = 1 << 20

OnBytes = Callable[[int, int], None]
"""Told (bytes done, bytes in all)."""


@dataclass(frozen=True)
class Slice:
    """Bytes of a file on this machine."""

    file: Path
    offset: int
    size: int


class Body:
    """Slices of files, one after the other, as requests reads a body: its length lets it announce the size instead of
    chunking, which S3 refuses. A file that cannot be read as it was is a BadRequest that names it."""

    def __init__(self, slices: Sequence[Slice], on_read: Callable[[int], None] = lambda done: None) -> None:
        self.size = sum(one.size for one in slices)
        self.done = 0
        self.files = [one.file for one in slices]
        self._slices = list(slices)
        self._on_read = on_read
        self._file: BinaryIO = io.BytesIO()
        self._left = 0

    def __len__(self) -> int:
        return self.size

    def read(self, amount: int = -1) -> bytes:
        """Negative: all that is left; else about so much, and nothing only at the end."""
        if amount < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        while self._left == 0 and self._slices:
            self._open(self._slices.pop(0))
        # http.client asks for 8 KiB at a time; larger pieces cost a tenth of the time.
        data = self._file.read(min(self._left, max(amount, CHUNK)))
        if self._left and not data:
            raise BadRequest({"status": 400, "detail": f"{self._file.name} became shorter while it was uploaded"})
        self._left -= len(data)
        self.done += len(data)
        if data:
            self._on_read(self.done)
        return data

    def _open(self, following: Slice) -> None:
        self._file.close()
        try:
            self._file = following.file.open("rb")
        except OSError as error:
            # Not as it is: within a request an OSError means that the connection broke.
            raise BadRequest({"status": 400, "detail": f"{following.file}: {error.strerror}"}) from error
        self._file.seek(following.offset)
        self._left = following.size

    def close(self) -> None:
        self._file.close()


def put(calls: Calls, session: requests.Session, signed: Json, body: Body | bytes) -> requests.Response | str:
    """The answer of who took the bytes; or why they may be sent once more, with a request that is signed anew.

    `session`: one `without_credentials`. Raises BadRequest when the bytes are not those that were announced.
    """
    url, headers = urljoin(calls.url, signed["url"]), dict(signed["headers"])
    # requests would send an empty body that can be read chunked.
    data = body if len(body) else b""
    try:
        response = session.request(signed["method"], url, data=data, headers=headers, timeout=TIMEOUT_SECONDS)
    except DISTURBANCES as error:
        return cause(error)
    finally:
        if isinstance(body, Body):
            body.close()
    if response.status_code in LATER:
        return f"the store is busy ({response.status_code})"
    if response.status_code == 403:
        return "the store does not take the signed request (403): it is too old, or the clocks differ"
    if response.status_code == 400 and (passing := s3.LATER.search(response.content)):
        return f"the store says {passing[0].decode()}"
    if response.status_code == 400:
        named = ", ".join(map(str, body.files[:3])) if isinstance(body, Body) else "the manifest"
        text = f"{named}: changed while it was uploaded, or was damaged on the way"
        raise BadRequest({"status": 400, "detail": text})
    return successful(response)


def without_credentials() -> Session:
    """Not the calls' session: a signed request says everything, and the store must not see the farm's token."""
    session = Session()
    session.auth = lambda request: request
    return session
