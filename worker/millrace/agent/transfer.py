"""Moves blobs between the farm and the work folder of an attempt, streamed, up to four at a time.

Called by an attempt's thread before its first command (`fetch`) and after its last (`publish`). Both go on through
outages until the attempt is stopped; a checksum that does not fit is an error naming the file. Nothing here is lost
by a crash: a download resumes from its part, an upload begins anew.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import requests

from millrace.agent.cache import BlobCache, lay
from millrace.agent.client import FarmClient
from millrace.agent.errors import CommandFailed, Refused, Unreachable
from millrace.agent.protocol import InputBlob, Output
from millrace.agent.retrying import until_answered
from millrace.agent.workfolder import inside

PARALLEL = 4
BLOCK_BYTES = 1024 * 1024

Wait = Callable[[float], None]
"""Pauses for so many seconds and raises `Stopped` when the attempt was stopped; 0 only asks."""
T = TypeVar("T")
S = TypeVar("S")


class Transfer:
    """Fetches inputs and publishes outputs. One for the whole agent: the limit of four counts for all attempts
    together.
    """

    def __init__(self, client: FarmClient, cache: BlobCache) -> None:
        self._client = client
        self._cache = cache
        self._turns = threading.Semaphore(PARALLEL)

    def fetch(self, task: str, inputs: Iterable[InputBlob], work: Path, wait: Wait) -> None:
        """Lay every input of this task into `work`."""
        inputs = list(inputs)
        if len({one.name for one in inputs}) < len(inputs):
            raise CommandFailed("two inputs of the task have the same name")
        _all_at_once(lambda one: self._fetch_one(task, one, work, wait), inputs)

    def publish(self, files: Mapping[str, Path], wait: Wait) -> tuple[Output, ...]:
        """Store these files on the farm, each under its name."""
        return tuple(_all_at_once(lambda one: self._publish_one(*one, wait), list(files.items())))

    def republish(self, outputs: Iterable[Output], wait: Wait) -> tuple[Output, ...]:
        """Store outputs again, from the cache; `CommandFailed` if the bytes are not here any more."""
        return tuple(self._republish_one(output, wait) for output in outputs)

    def _fetch_one(self, task: str, wanted: InputBlob, work: Path, wait: Wait) -> None:
        target = inside(work, wanted.name, "input")
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._turns, self._cache.only_one(wanted.sha256):
            cached = self._cache.find(wanted.sha256, wanted.size)
            lay(cached or self._download(task, wanted, wait), target)

    def _download(self, task: str, wanted: InputBlob, wait: Wait) -> Path:
        part = self._cache.part(wanted.sha256)
        for last_try in (False, True):
            until_answered(lambda: self._append_rest(task, wanted, part, wait), wait)
            found = _sha256_of(part)
            if found == wanted.sha256 and part.stat().st_size == wanted.size:
                return self._cache.adopt(part, wanted.sha256)
            size = part.stat().st_size
            # A resumed part may have been spoilt by the crash that left it; a fresh one has no excuse.
            part.unlink()
            if last_try:
                break
        raise CommandFailed(
            f"input {wanted.name!r}: blob {wanted.blob} has {size} bytes with sha256 {found}, "
            f"expected {wanted.size} bytes with {wanted.sha256}"
        )

    def _append_rest(self, task: str, wanted: InputBlob, part: Path, wait: Wait) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have == wanted.size and part.exists():
            return
        try:
            with self._client.open_blob(wanted.blob, have if have < wanted.size else 0, task) as response:
                if response.status_code == 416:
                    part.unlink()
                    raise Unreachable("the farm has fewer bytes than were begun with: starting over")
                resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                    f"bytes {have}-"
                )
                _copy_to(part, response, "ab" if resumed else "wb", wait)
        except Refused as refusal:
            raise CommandFailed(f"input {wanted.name!r}: {refusal}") from refusal

    def _publish_one(self, name: str, path: Path, wait: Wait) -> Output:
        with self._turns:
            size, sha256 = path.stat().st_size, _sha256_of(path, wait)
            blob = self._store(name, path, size, sha256, wait)
        self._cache.adopt_copy(path, sha256)
        return Output(name, blob, size, sha256)

    def _republish_one(self, output: Output, wait: Wait) -> Output:
        cached = self._cache.find(output.sha256, output.size)
        if cached is None:
            raise CommandFailed(f"output {output.name!r} was lost on the farm and is not here any more")
        return Output(
            output.name, self._store(output.name, cached, output.size, output.sha256, wait), output.size, output.sha256
        )

    def _store(self, name: str, path: Path, size: int, sha256: str, wait: Wait) -> str:
        try:
            return until_answered(lambda: self._store_once(path, size, sha256), wait)
        except Refused as refusal:
            raise CommandFailed(f"output {name!r}: {refusal}") from refusal

    def _store_once(self, path: Path, size: int, sha256: str) -> str:
        answer = self._client.announce_blob(size, sha256)
        upload = answer.get("upload")
        if upload is not None:
            with open(path, "rb") as file:
                self._client.put_bytes(upload["url"], upload.get("headers") or {}, file, size)
        return str(answer["id"])


def _all_at_once(work: Callable[[S], T], items: list[S]) -> list[T]:
    """`work` on each item, four at a time, results in order; the first error ends it."""
    if len(items) <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="transfer") as pool:
        return list(pool.map(work, items))


def _copy_to(path: Path, response: requests.Response, mode: str, wait: Wait) -> None:
    try:
        with open(path, mode) as file:
            start = file.tell()
            for block in response.iter_content(BLOCK_BYTES):
                file.write(block)
                wait(0)
            received = file.tell() - start
    except (requests.RequestException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, requests.RequestException):
            raise CommandFailed(f"cannot write {path.name}: {error.strerror}") from error
        raise Unreachable(f"the download broke off: {error.__class__.__name__}") from error
    if received < int(response.headers.get("Content-Length") or 0):
        raise Unreachable("the download broke off early")


def _sha256_of(path: Path, wait: Wait = lambda seconds: None) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            wait(0)
    return digest.hexdigest()
