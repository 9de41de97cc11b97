"""Lays the files of a manifest into a folder of an attempt: from the cache, and from the farm what is not there.

Called by `Transfer.fetch`, on the attempt's thread. Objects come from signed URLs, past the manager, four at a time,
and are taken apart on arrival: every file is verified, linked into the folder and kept in the cache. A crash leaves
parts, which the next attempt goes on with.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from millrace.agent.cache import BlobCache
from millrace.agent.client import FarmClient
from millrace.agent.errors import CommandFailed, NoRoom, Refused, Unreachable
from millrace.agent.protocol import InputBlob, LeaseId
from millrace.agent.retrying import until_answered
from millrace.agent.streams import BLOCK_BYTES, Wait, all_at_once, copy_to, sha256_of
from millrace.files.manifest import BadManifest, FileEntry, Manifest, StoredObject, parse_manifest

LOCATED_AT_ONCE = 100
"""Objects whose URLs are asked for together: few enough to be fetched before the URLs end."""


class FolderFetch:
    """One folder of one attempt."""

    def __init__(
        self,
        client: FarmClient,
        cache: BlobCache,
        turns: threading.Semaphore,
        lease: LeaseId,
        wanted: InputBlob,
        wait: Wait,
    ) -> None:
        self._client, self._cache, self._turns = client, cache, turns
        self._lease, self._wanted, self._wait = lease, wanted, wait
        self._urls: dict[str, str] = {}

    def lay_out(self, listed: bytes, root: Path) -> None:
        """Raises CommandFailed that names the manifest, or the file."""
        try:
            manifest = parse_manifest(listed)
        except BadManifest as error:
            raise CommandFailed(f"input {self._wanted.name!r}: {error}") from error
        root.mkdir(parents=True, exist_ok=True)
        for folder in {(root / file.path).parent for file in manifest.files}:
            folder.mkdir(parents=True, exist_ok=True)
        lacking = self._from_cache(manifest.files, root)
        if not lacking:
            return
        for file in lacking:
            if not file.size:  # of no object: there may be none
                self._keep(self._cut(None, file), file, root)
        whole, parts = _by_object(manifest, [file for file in lacking if file.size])
        numbers = sorted({*whole, *(number for file in parts for number in manifest.objects_of(file))})
        digests = list(dict.fromkeys(manifest.objects[number].sha256 for number in numbers))
        for start in range(0, len(digests), LOCATED_AT_ONCE):
            some = frozenset(digests[start : start + LOCATED_AT_ONCE])
            self._locate(sorted(some))
            mine = [number for number in whole if manifest.objects[number].sha256 in some]
            all_at_once(lambda number: self._take_apart(manifest.objects[number], whole[number], root), mine)
        for file in parts:
            self._put_together(manifest, file, root)
        self._cache.make_room()

    def _from_cache(self, files: Iterable[FileEntry], root: Path) -> list[FileEntry]:
        """Lays what is here; gives what is not."""
        lacking = [file for file in files if not self._cache.lay(file.sha256, file.size, root / file.path)]
        self._wait(0)
        return lacking

    # ---- objects to files --------------------------------------------------------------------------------------------

    def _take_apart(self, one: StoredObject, files: Sequence[FileEntry], root: Path) -> None:
        """All these files are within one object."""
        with self._turns, self._cache.only_one(one.sha256):
            files = self._from_cache(files, root)
            if not files:
                return
            part = self._download(one, files[0], self._cache.part(one.sha256))
            for file in files:
                self._keep(self._cut(part, file), file, root)
            part.unlink(missing_ok=True)

    def _cut(self, part: Path | None, file: FileEntry) -> Path:
        draft = self._cache.draft(file.sha256)
        with _or_gone(draft), draft.open("wb") as target:
            if part is not None:
                _copy_range(part, file.offset, file.size, target)
        return draft

    def _put_together(self, manifest: Manifest, file: FileEntry, root: Path) -> None:
        """One file of several objects; a piece that has arrived is kept until the file is whole."""
        pieces = [manifest.objects[number] for number in manifest.objects_of(file)]
        # Not the lock of the blob: who holds that has a turn already, and here turns are wanted under the lock.
        with self._cache.only_one(f"pieces of {file.sha256}"):
            if not self._from_cache([file], root):
                return
            distinct = list(dict.fromkeys(pieces))
            arrived = dict(zip(distinct, all_at_once(lambda one: self._piece(one, file), distinct), strict=True))
            draft, left = self._cache.draft(file.sha256), file.size
            with _or_gone(draft), draft.open("wb") as target:
                for number, piece in enumerate(pieces):
                    begin = file.offset if number == 0 else 0
                    size = min(left, piece.size - begin)
                    _copy_range(arrived[piece], begin, size, target)
                    left -= size
                    self._wait(0)
            self._keep(draft, file, root)
            for part in arrived.values():
                part.unlink(missing_ok=True)

    def _piece(self, piece: StoredObject, file: FileEntry) -> Path:
        with self._turns:
            return self._download(piece, file, self._cache.part(f"{file.sha256}.{piece.sha256}"))

    def _keep(self, draft: Path, file: FileEntry, root: Path) -> None:
        """Laid before it is adopted: from then on it may be evicted at any moment."""
        found = sha256_of(draft)
        if found != file.sha256 or draft.stat().st_size != file.size:
            draft.unlink()
            raise CommandFailed(
                f"file {file.path!r}: sha256 {found} arrived, expected {file.sha256} as the manifest says"
            )
        try:
            self._cache.lay_file(draft, root / file.path)
        except FileExistsError as error:
            draft.unlink()
            raise CommandFailed(f"file {file.path!r} is in two folders among the inputs") from error
        self._cache.adopt_one_of_many(draft, file.sha256)

    # ---- from the farm -----------------------------------------------------------------------------------------------

    def _locate(self, digests: Sequence[str]) -> None:
        def ask() -> list[str]:
            return self._client.locate_objects(self._lease, self._wanted.blob, digests)

        try:
            self._urls |= dict(zip(digests, until_answered(ask, self._wait), strict=True))
        except Refused as refusal:
            raise CommandFailed(f"input {self._wanted.name!r}: {refusal}") from refusal

    def _download(self, one: StoredObject, file: FileEntry, part: Path) -> Path:
        """The whole, verified object at `part`. `file`: one that needs it."""
        for last_try in (False, True):
            self._gather(one, part, file)
            if part.stat().st_size == one.size and sha256_of(part, self._wait) == one.sha256:
                return part
            # A resumed part may have been spoilt by the crash that left it; a fresh one has no excuse.
            part.unlink()
            if last_try:
                break
        raise CommandFailed(f"file {file.path!r}: what the farm sent is not the object {one.sha256}")

    def _gather(self, one: StoredObject, part: Path, file: FileEntry) -> None:
        def fetch() -> None:
            until_answered(lambda: self._append_rest(one, part, file), self._wait)

        try:
            self._cache.gather(part, fetch)
        except NoRoom as full:
            raise CommandFailed(f"file {file.path!r}: {full}") from full

    def _append_rest(self, one: StoredObject, part: Path, file: FileEntry) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have == one.size and part.exists():
            return
        if one.sha256 not in self._urls:
            self._locate([one.sha256])
        try:
            with self._client.open_object(self._urls[one.sha256], have if have < one.size else 0) as response:
                if response.status == 416:
                    part.unlink()
                    raise Unreachable("the farm has fewer bytes than were begun with: starting over")
                resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(
                    f"bytes {have}-"
                )
                copy_to(part, response, "ab" if resumed else "wb", self._wait)
        except Refused as refusal:
            if refusal.status == 403:
                del self._urls[one.sha256]
                raise Unreachable("the URL has ended: asking for another") from refusal
            raise CommandFailed(f"file {file.path!r}: {refusal}") from refusal


def _by_object(manifest: Manifest, files: Iterable[FileEntry]) -> tuple[Mapping[int, list[FileEntry]], list[FileEntry]]:
    """Files by the object that holds them, and those that need several; none is empty."""
    whole: dict[int, list[FileEntry]] = defaultdict(list)
    parts = []
    for file in files:
        numbers = manifest.objects_of(file)
        if len(numbers) > 1:
            parts.append(file)
        else:
            whole[file.first].append(file)
    return whole, parts


@contextmanager
def _or_gone(draft: Path) -> Iterator[None]:
    """What could not be written, as on a full disk, takes no room from what comes next."""
    try:
        yield
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _copy_range(source: Path, offset: int, size: int, target: IO[bytes]) -> None:
    with source.open("rb") as file:
        file.seek(offset)
        while size > 0 and (block := file.read(min(size, BLOCK_BYTES))):
            target.write(block)
            size -= len(block)
