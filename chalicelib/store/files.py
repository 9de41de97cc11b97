"""The object store of one machine: a folder.

`bootstrap` makes it for the embedded farm; the embedded server streams from and to it. A `put` that returned is on disk
and survives a power cut: bytes go to a file in `.incoming`, which is synced, renamed into place, and its folder synced.
A crash half way leaves a file in `.incoming` that nobody can name; those older than a day go at the next start.

A large upload's parts are objects until one call joins them, under a lock: nobody else joins or removes them meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO

from chalicelib.core.errors import AtWork, Unavailable
from chalicelib.core.ports import Clock, ObjectHead, ObjectMismatch, SignedRequest, StoredPart
from chalicelib.store.announced import check_arrived, check_not_longer, checked_announcement
from chalicelib.store.file_lock import held_alone
from chalicelib.store.folder import keys_in_order, relative_path
from chalicelib.store.object_keys import checked_key, checked_range
from chalicelib.store.signing import Grant, signed_url, verified_grant

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
"""Small enough to stay in a core's cache and to be allocated from what the last one has left: with 1 MB a digest costs
three times the CPU."""
STALE_SECONDS = 24 * 3600
STALE_PARTS_SECONDS = 7 * 86_400
"""An upload of which nothing has come for so long is given up; a slow one may take longer as a whole."""
DISK_RESERVE_BYTES = 200 * 1024 * 1024
"""Uploads leave so much free: what the table needs to go on."""
PARTS = "parts/"
_UPLOAD = re.compile(r"[0-9a-f]{24}-[0-9a-f]{24}")


class FileObjectStore:
    """`ObjectStore` in one folder. `secret` signs URLs: keep it between starts, or signed URLs die with the process."""

    verifies_parts_together = True

    def __init__(self, root: Path, secret: bytes, *, clock: Clock) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = Path(os.path.realpath(root))
        self._secret = secret
        self._clock = clock
        self.incoming = self.root / ".incoming"
        self.incoming.mkdir(exist_ok=True)
        self._remove_stale_files()

    # -- reading --

    def head(self, key: str) -> ObjectHead | None:
        file = self.open_file(key)
        if file is None:
            return None
        with file:
            return _head(key, os.fstat(file.fileno()))

    def get(self, key: str) -> bytes | None:
        file = self.open_file(key)
        if file is None:
            return None
        with file:
            return file.read()

    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes] | None:
        checked_range(offset, length)
        file = self.open_file(key)
        return None if file is None else _chunks(file, offset, length)

    def open_file(self, key: str) -> BinaryIO | None:
        """The object as an open file (for sendfile), or None. Never through a symbolic link."""
        path = self._path(key)
        if not self._is_inside(path):
            return None
        try:
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if path.is_symlink():
                return None
            raise Unavailable(f"object {key} cannot be read: {error.strerror}") from error

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectHead]:
        heads = (_head_of_entry(key, entry) for key, entry in keys_in_order(self.root, prefix=prefix, after=after))
        return list(islice((head for head in heads if head is not None), limit))

    # -- writing --

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with self._temporary_file() as (file, temporary):
            file.write(data)
            self._publish(file, temporary, path)

    def put_stream(self, key: str, source: BinaryIO, *, size: int | None = None, sha256: str | None = None) -> int:
        path = self._path(key)
        with self._temporary_file() as (file, temporary):
            digest, written = hashlib.sha256(), 0
            while chunk := source.read(CHUNK_BYTES):
                written += len(chunk)
                check_not_longer(written, size)
                digest.update(chunk)
                file.write(chunk)
            check_arrived(written, digest.hexdigest(), size=size, sha256=sha256)
            self._publish(file, temporary, path)
        return written

    def adopt(self, path: Path, key: str, *, size: int, sha256: str) -> None:
        """Take over a file that was written elsewhere on this disk by renaming it, instead of copying its bytes.

        `size` is verified; `sha256` must come from whoever wrote the file (the server computes it while spooling).
        On another disk the bytes are copied and verified. Raises ObjectMismatch; then the file stays where it is.
        """
        target = self._path(key)
        with open(path, "rb+") as file, _disk_errors_named():
            status = os.fstat(file.fileno())
            check_arrived(status.st_size, sha256, size=size, sha256=sha256)
            if status.st_dev == self.root.stat().st_dev:
                self._publish(file, path, target)
                return
            self.put_stream(key, file, size=size, sha256=sha256)
        path.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        path = self._path(key)
        if not self._is_inside(path):
            return
        with _disk_errors_named():
            path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.root or not _removed_if_empty(folder):
                return

    def touch(self, key: str) -> bool:
        file = self.open_file(key)
        if file is None:
            return False
        with file, _disk_errors_named():
            if os.fstat(file.fileno()).st_nlink == 0:
                return False
            os.utime(file.fileno())
            # Deleted between the two: then what was touched is a file without a name.
            return os.fstat(file.fileno()).st_nlink > 0

    # -- signed requests --

    def sign_upload(self, key: str, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        checked_announcement(size, sha256)
        grant = Grant("PUT", checked_key(key), self._expiry(seconds), size=size, sha256=sha256)
        return SignedRequest("PUT", signed_url(grant, self._secret), {"Content-Type": "application/octet-stream"})

    # -- large uploads, in parts that clients send: objects of their own until they are joined --

    def begin_parts(self, key: str) -> str:
        self._remove_stale_parts()
        return f"{hashlib.sha256(checked_key(key).encode()).hexdigest()[:24]}-{secrets.token_hex(12)}"

    def sign_part(self, key: str, upload: str, number: int, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        return self.sign_upload(_part_key(key, upload, number), size=size, sha256=sha256, seconds=seconds)

    def complete_parts(self, key: str, upload: str, parts: Sequence[StoredPart], *, size: int, sha256: str) -> None:
        """The bytes are copied once, and the digest of the whole is verified on the way. Raises Unavailable while
        another call joins them, and where the disk would become full."""
        path = self._path(key)
        with self._parts_held(key, upload):
            head = self.head(key)
            if head is None or head.size != size:  # or another call has joined them just now
                self._join(key, upload, parts, path, size=size, sha256=sha256)
            self._remove_parts(key, upload)

    def _join(self, key: str, upload: str, parts: Sequence[StoredPart], path: Path, *, size: int, sha256: str) -> None:
        with self._temporary_file() as (file, temporary):
            digest, written = hashlib.sha256(), 0
            for part in parts:
                self._check_room(size - written)  # each time: others write to the disk too
                chunks = self.open(_part_key(key, upload, part.number))
                if chunks is None:
                    raise ObjectMismatch(f"part {part.number} is not there")
                for chunk in chunks:
                    written += len(chunk)
                    check_not_longer(written, size)
                    digest.update(chunk)
                    file.write(chunk)
            check_arrived(written, digest.hexdigest(), size=size, sha256=sha256)
            self._publish(file, temporary, path)

    def abort_parts(self, key: str, upload: str) -> None:
        """Raises Unavailable while they are being joined: who gave up waiting for that keeps the content."""
        with self._parts_held(key, upload):
            self._remove_parts(key, upload)

    def _remove_parts(self, key: str, upload: str) -> None:
        prefix = _part_key(key, upload, 1).rpartition("/")[0] + "/"
        while heads := self.list(prefix):
            for head in heads:
                self.delete(head.key)

    @contextlib.contextmanager
    def _parts_held(self, key: str, upload: str) -> Iterator[None]:
        _part_key(key, upload, 1)  # the upload names a file from here on
        with _disk_errors_named(), held_alone(self.incoming / f"{upload}.lock") as is_held:
            if not is_held:
                raise AtWork("this upload is being joined at this moment; ask again later")
            yield

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.root).free
        if free - size < DISK_RESERVE_BYTES:
            raise Unavailable(
                f"the farm's disk has no room to join the parts of this upload: that needs {size} bytes more, and "
                f"{free} are free, of which {DISK_RESERVE_BYTES} are kept for the farm; make room and complete it again"
            )

    def _remove_stale_parts(self) -> None:
        oldest = int((time.time() - STALE_PARTS_SECONDS) * 1000)
        found = keys_in_order(self.root, prefix=PARTS, after="")
        for _, parts in groupby(found, key=lambda pair: pair[0].rpartition("/")[0]):
            heads = [head for key, entry in parts if (head := _head_of_entry(key, entry)) is not None]
            if max((head.modified_at for head in heads), default=oldest) < oldest:
                for head in heads:
                    self.delete(head.key)

    def sign_download(self, key: str, *, seconds: int, content_type: str, filename: str | None = None) -> SignedRequest:
        grant = Grant("GET", checked_key(key), self._expiry(seconds), content_type=content_type, filename=filename)
        return SignedRequest("GET", signed_url(grant, self._secret), {})

    def verify(self, method: str, key: str, query: Mapping[str, str], now: int) -> Grant:
        """For the server: what a signed URL allows. Raises Forbidden, or ValueError for a key that cannot exist."""
        return verified_grant(method, checked_key(key), query, self._secret, now)

    def _expiry(self, seconds: int) -> int:
        return self._clock.now() + seconds * 1000

    # -- files and folders --

    def _path(self, key: str) -> Path:
        return self.root / relative_path(checked_key(key))

    def _is_inside(self, path: Path) -> bool:
        """False when a folder on the way from the root is a symbolic link, wherever that leads."""
        folder, root = os.path.dirname(path), str(self.root)
        while len(folder) > len(root):
            if os.path.islink(folder):
                return False
            folder = os.path.dirname(folder)
        return folder == root

    def _publish(self, file: BinaryIO, temporary: Path, path: Path) -> None:
        """Give the finished file its name. Durable when this returns."""
        file.flush()
        os.fsync(file.fileno())
        while temporary.exists():
            _make_folders(path.parent)
            if not self._is_inside(path) or path.is_symlink():
                raise Unavailable("a symbolic link stands inside the object folder; remove it")
            # A delete may remove the folder right here, when it takes its last file: then once more.
            with contextlib.suppress(FileNotFoundError):
                os.replace(temporary, path)
        _sync_folder(path.parent)

    @contextlib.contextmanager
    def _temporary_file(self) -> Iterator[tuple[BinaryIO, Path]]:
        path = self.incoming / secrets.token_hex(12)
        try:
            with _disk_errors_named(), open(path, "xb") as file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)  # gone already when it was published

    def _remove_stale_files(self) -> None:
        oldest = time.time() - STALE_SECONDS
        for entry in os.scandir(self.incoming):
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                log.info("an upload that was never finished is removed", extra={"file": entry.name})
                Path(entry.path).unlink(missing_ok=True)


def _part_key(key: str, upload: str, number: int) -> str:
    """An upload's id begins with what it is for: it leads to no parts of another."""
    belongs = hashlib.sha256(checked_key(key).encode()).hexdigest()[:24]
    if not _UPLOAD.fullmatch(upload) or not upload.startswith(belongs):
        raise ObjectMismatch("there is no such upload")
    return f"{PARTS}{upload}/{number:05d}"


@contextlib.contextmanager
def _disk_errors_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the object folder cannot be written: {error.strerror}") from error


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        folder.mkdir()
    _sync_folder(folder.parent)


def _removed_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False  # something is in it, again or still
    return True


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return  # removed by a delete that took the last file
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _chunks(file: BinaryIO, offset: int, length: int | None) -> Iterator[bytes]:
    with file:
        file.seek(offset)
        left = length
        while left is None or left > 0:
            chunk = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
            if not chunk:
                return
            left = None if left is None else left - len(chunk)
            yield chunk


def _head(key: str, status: os.stat_result) -> ObjectHead:
    return ObjectHead(key=key, size=status.st_size, modified_at=status.st_mtime_ns // 1_000_000)


def _head_of_entry(key: str, entry: os.DirEntry[str]) -> ObjectHead | None:
    try:
        return _head(key, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None  # deleted since its folder was read
