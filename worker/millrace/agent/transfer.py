"""Moves blobs between the farm and the work folder of an attempt, streamed, up to four at a time.

Called by an attempt's thread before its first command (`fetch`) and after its last (`publish`). Both go on through
outages until the attempt is stopped; a checksum that does not fit is an error naming the file. Nothing here is lost
by a crash: a download resumes from its part, an upload begins anew. What one request does not carry goes in `parts`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from millrace.agent.cache import BlobCache
from millrace.agent.client import FarmClient
from millrace.agent.errors import CommandFailed, NoRoom, Refused, Unreachable
from millrace.agent.folders import FolderFetch
from millrace.agent.parts import send_in_parts
from millrace.agent.protocol import InputBlob, LeaseId, Output
from millrace.agent.retrying import until_answered
from millrace.agent.streams import PARALLEL, Wait, all_at_once, copy_to, sha256_of
from millrace.agent.workfolder import inside


class Transfer:
    """Fetches inputs and publishes outputs. One for the whole agent: the limit of four counts for all attempts
    together.
    """

    def __init__(self, client: FarmClient, cache: BlobCache) -> None:
        self._client = client
        self._cache = cache
        self._turns = threading.Semaphore(PARALLEL)

    def fetch(self, lease: LeaseId, inputs: Iterable[InputBlob], work: Path, wait: Wait) -> None:
        """Lay every input of this attempt into `work`: folders first, then single files."""
        inputs = list(inputs)
        if len({one.name for one in inputs}) < len(inputs):
            raise CommandFailed("two inputs of the task have the same name")
        for one in inputs:
            if one.is_folder:
                self._fetch_folder(lease, one, work, wait)
        files = [one for one in inputs if not one.is_folder]
        all_at_once(lambda one: self._fetch_one(lease.task, one, work, wait), files)

    def _fetch_folder(self, lease: LeaseId, wanted: InputBlob, work: Path, wait: Wait) -> None:
        root = inside(work, wanted.name.removesuffix("/"), "input folder")
        with self._turns, self._cache.only_one(wanted.sha256):
            listed = self._cache.read(wanted.sha256, wanted.size)
            if listed is None:
                part = self._download(lease.task, wanted, wait)
                listed = part.read_bytes()
                self._cache.adopt(part, wanted.sha256)
        FolderFetch(self._client, self._cache, self._turns, lease, wanted, wait).lay_out(listed, root)

    def publish(self, lease: LeaseId, files: Mapping[str, Path], wait: Wait) -> tuple[Output, ...]:
        """Store these files on the farm, each under its name."""
        return tuple(all_at_once(lambda one: self._publish_one(lease, *one, wait), list(files.items())))

    def republish(self, lease: LeaseId, outputs: Iterable[Output], wait: Wait) -> tuple[Output, ...]:
        """Store outputs again, from the cache; `CommandFailed` if the bytes are not here any more."""
        return tuple(self._republish_one(lease, output, wait) for output in outputs)

    def _fetch_one(self, task: str, wanted: InputBlob, work: Path, wait: Wait) -> None:
        target = inside(work, wanted.name, "input")
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._turns, self._cache.only_one(wanted.sha256):
            try:
                if not self._cache.lay(wanted.sha256, wanted.size, target):
                    part = self._download(task, wanted, wait)
                    # Before it is adopted: from then on it may be evicted at any moment.
                    self._cache.lay_file(part, target)
                    self._cache.adopt(part, wanted.sha256)
            except FileExistsError as error:
                raise CommandFailed(f"input {wanted.name!r} is also in a folder among the inputs") from error

    def _download(self, task: str, wanted: InputBlob, wait: Wait) -> Path:
        """The whole, verified blob, as a part still."""
        part = self._cache.part(wanted.sha256)
        for last_try in (False, True):
            self._gather(task, wanted, part, wait)
            found = sha256_of(part)
            if found == wanted.sha256 and part.stat().st_size == wanted.size:
                return part
            size = part.stat().st_size
            # A resumed part may have been spoilt by the crash that left it; a fresh one has no excuse.
            part.unlink()
            if last_try:
                break
        raise CommandFailed(
            f"input {wanted.name!r}: blob {wanted.blob} has {size} bytes with sha256 {found}, "
            f"expected {wanted.size} bytes with {wanted.sha256}"
        )

    def _gather(self, task: str, wanted: InputBlob, part: Path, wait: Wait) -> None:
        def fetch() -> None:
            until_answered(lambda: self._append_rest(task, wanted, part, wait), wait)

        try:
            self._cache.gather(part, fetch)
        except NoRoom as full:
            raise CommandFailed(f"input {wanted.name!r} ({wanted.size:,} bytes): {full}") from full

    def _append_rest(self, task: str, wanted: InputBlob, part: Path, wait: Wait) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have == wanted.size and part.exists():
            return
        try:
            with self._client.open_blob(wanted.blob, have if have < wanted.size else 0, task) as response:
                if response.status == 416:
                    part.unlink()
                    raise Unreachable("the farm has fewer bytes than were begun with: starting over")
                resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(
                    f"bytes {have}-"
                )
                copy_to(part, response, "ab" if resumed else "wb", wait)
        except Refused as refusal:
            raise CommandFailed(f"input {wanted.name!r}: {refusal}") from refusal

    def _publish_one(self, lease: LeaseId, name: str, path: Path, wait: Wait) -> Output:
        with self._turns:
            size, sha256 = path.stat().st_size, sha256_of(path, wait)
            blob = self._store(lease, name, path, size, sha256, wait)
        self._cache.adopt_copy(path, sha256)
        return Output(name, blob, size, sha256)

    def _republish_one(self, lease: LeaseId, output: Output, wait: Wait) -> Output:
        cached = self._cache.find(output.sha256, output.size)
        try:
            if cached is not None:
                blob = self._store(lease, output.name, cached, output.size, output.sha256, wait)
                return Output(output.name, blob, output.size, output.sha256)
        except FileNotFoundError:  # evicted at this moment
            pass
        raise CommandFailed(f"output {output.name!r} was lost on the farm and is not here any more")

    def _store(self, lease: LeaseId, name: str, path: Path, size: int, sha256: str, wait: Wait) -> str:
        try:
            return until_answered(lambda: self._store_once(lease, path, size, sha256, wait), wait)
        except Refused as refusal:
            raise CommandFailed(f"output {name!r}: {refusal}") from refusal

    def _store_once(self, lease: LeaseId, path: Path, size: int, sha256: str, wait: Wait) -> str:
        answer = self._client.announce_blob(size, sha256)
        upload = answer.get("upload")
        if upload is not None and answer.get("in_parts") is True:
            send_in_parts(self._client, lease, str(answer["id"]), path, size, sha256, wait)
        elif upload is not None:
            with open(path, "rb") as file:
                self._client.put_bytes(upload["url"], upload.get("headers") or {}, file, size)
        return str(answer["id"])
