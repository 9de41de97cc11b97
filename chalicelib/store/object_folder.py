"""Bytes under keys in a folder, one file each.

A `put` that returned is on disk and survives a power cut: bytes go to a file in `.incoming`, which is synced, renamed
into place, and its folder synced. A crash half way leaves a file in `.incoming` that nobody can name; those older than
a day go at the next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from chalicelib.core.errors import Unavailable
from chalicelib.core.ports import ObjectHead
from chalicelib.store.announced import check_arrived, check_not_longer
from chalicelib.store.disk import disk_errors_named, make_folders, removed_if_empty, sync_folder
from chalicelib.store.folder import keys_in_order, relative_path
from chalicelib.store.object_keys import checked_key, checked_range

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
"""Small enough to stay in a core's cache and to be allocated from what the last one has left: with 1 MB a digest costs
three times the CPU."""
STALE_SECONDS = 24 * 3600


class ObjectFolder:
    """What of an `ObjectStore` is files: see there. Where each key stands is said in `folder.py`."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = Path(os.path.realpath(root))
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
        heads = (head_of_entry(key, entry) for key, entry in keys_in_order(self.root, prefix=prefix, after=after))
        return list(islice((head for head in heads if head is not None), limit))

    # -- writing --

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with self._temporary_file() as (file, temporary):
            file.write(data)
            self._publish(file, temporary, path)

    def put_stream(self, key: str, source: BinaryIO, *, size: int | None = None, sha256: str | None = None) -> int:
        return self.put_chunks(key, iter(lambda: source.read(CHUNK_BYTES), b""), size=size, sha256=sha256)

    def put_chunks(
        self, key: str, chunks: Iterable[bytes], *, size: int | None = None, sha256: str | None = None
    ) -> int:
        """As `put_stream`, from wherever the bytes come; what that raises leaves nothing behind."""
        path = self._path(key)
        with self._temporary_file() as (file, temporary):
            digest, written = hashlib.sha256(), 0
            for chunk in chunks:
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
        with open(path, "rb+") as file, disk_errors_named():
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
        with disk_errors_named():
            path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.root or not removed_if_empty(folder):
                return

    def touch(self, key: str) -> bool:
        file = self.open_file(key)
        if file is None:
            return False
        with file, disk_errors_named():
            if os.fstat(file.fileno()).st_nlink == 0:
                return False
            os.utime(file.fileno())
            # Deleted between the two: then what was touched is a file without a name.
            return os.fstat(file.fileno()).st_nlink > 0

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
            make_folders(path.parent)
            if not self._is_inside(path) or path.is_symlink():
                raise Unavailable("a symbolic link stands inside the object folder; remove it")
            # A delete may remove the folder right here, when it takes its last file: then once more.
            with contextlib.suppress(FileNotFoundError):
                os.replace(temporary, path)
        sync_folder(path.parent)

    @contextlib.contextmanager
    def _temporary_file(self) -> Iterator[tuple[BinaryIO, Path]]:
        path = self.incoming / secrets.token_hex(12)
        try:
            with disk_errors_named(), open(path, "xb") as file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)  # gone already when it was published

    def _remove_stale_files(self) -> None:
        oldest = time.time() - STALE_SECONDS
        for entry in os.scandir(self.incoming):
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                log.info("an upload that was never finished is removed", extra={"file": entry.name})
                Path(entry.path).unlink(missing_ok=True)


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


def head_of_entry(key: str, entry: os.DirEntry[str]) -> ObjectHead | None:
    try:
        return _head(key, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None  # deleted since its folder was read
