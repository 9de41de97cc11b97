"""Blobs on this machine, by checksum: downloaded once, laid into work folders as hard links, evicted least recently
used.

    cache/<sha256>        a whole, verified blob
    cache/<sha256>.part   a download under way; a later one goes on where it stopped

A task that writes into a linked input would change the cached blob too. Cached files are therefore read-only and
carry one fixed modification time: a file whose time or size is not as left is thrown away, not trusted. That keeps out
mistakes. Tasks that are kept apart (`isolation`) are not trusted: they get copies (`links=False`).

Another thread may make room at any moment: what was found may be gone when it is used.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from millrace.agent.errors import NoRoom
from millrace.agent.observe import WARNING, say

DEFAULT_LIMIT_BYTES = 20 * 1024**3
_PART_DAYS = 1
_COPY_BYTES = 1 << 20
_UNTOUCHED_NS = 1_000_000_000
"""The modification time of every cached file: one second after 1970. The access time says when it was last used."""


class BlobCache:
    """The blobs in `folder`, at most `limit_bytes` of them. Safe to call from several threads."""

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES, *, links: bool = True) -> None:
        self._folder = folder
        self._links = links
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._clear_drafts()

    @contextmanager
    def only_one(self, sha256: str) -> Iterator[None]:
        """Two attempts that want the same blob fetch it once: the second waits and finds it here."""
        with self._lock:
            lock = self._busy.setdefault(sha256, threading.Lock())
        with lock:
            yield

    def find(self, sha256: str, size: int) -> Path | None:
        """The cached file, marked as just used; None if it is not here or was touched."""
        path = self._folder / sha256
        try:
            found = path.stat()
            if found.st_size == size and found.st_mtime_ns == _UNTOUCHED_NS:
                os.utime(path, ns=(time.time_ns(), _UNTOUCHED_NS))
                return path
        except OSError:
            return None
        path.unlink(missing_ok=True)
        return None

    def read(self, sha256: str, size: int) -> bytes | None:
        """All of a small blob; None if it is not here."""
        found = self.find(sha256, size)
        try:
            return None if found is None else found.read_bytes()
        except FileNotFoundError:
            return None

    def lay(self, sha256: str, size: int, target: Path) -> bool:
        """Make the blob appear at `target`; False if it is not here. Raises FileExistsError."""
        found = self.find(sha256, size)
        try:
            if found is not None:
                self.lay_file(found, target)
            return found is not None
        except FileNotFoundError:
            return False

    def lay_file(self, source: Path, target: Path) -> None:
        """Make a file that is about to be adopted appear at `target`. Raises FileExistsError."""
        if self._links:
            _link(source, target)
        else:
            with source.open("rb") as content, target.open("xb") as copy:
                shutil.copyfileobj(content, copy, _COPY_BYTES)
            os.chmod(target, 0o444)

    def part(self, sha256: str) -> Path:
        """Where a download of this blob gathers."""
        return self._folder / f"{sha256}.part"

    def gather(self, part: Path, fetch: Callable[[], None]) -> None:
        """`fetch` writes `part`. On a full disk what else is cached goes first; what still has no room leaves nothing
        behind, or no other task would ever find any. Raises NoRoom."""
        try:
            try:
                fetch()
            except NoRoom:
                if not self._drop_all():
                    raise
                say("cache", "The disk is full: the cache is emptied.", level=WARNING, folder=self._folder)
                fetch()
        except NoRoom:
            part.unlink(missing_ok=True)
            raise

    def _drop_all(self) -> bool:
        """Whether there was anything to drop. What is in use stays on disk, by its links in work folders."""
        with self._lock:
            idle = [path for path, stat in self._files() if path.is_file() and not _is_under_way(path, stat)]
            for path in idle:
                path.unlink(missing_ok=True)
            return bool(idle)

    def draft(self, sha256: str) -> Path:
        """Where this thread may put a file together before it is adopted; what a crash leaves there goes."""
        return self._folder / f"{sha256}.{threading.get_ident()}.copy"

    def adopt(self, file: Path, sha256: str) -> Path:
        """Take a verified file in (it is moved) and make room for it."""
        path = self.adopt_one_of_many(file, sha256)
        self.make_room(keep=path)
        return path

    def adopt_one_of_many(self, file: Path, sha256: str) -> Path:
        """The same without making room, which looks at every file here: who adopts many does that once, at the end."""
        path = self._folder / sha256
        with self._lock:  # with its time of a cached file and its name of a download it would be taken for a stale one
            os.chmod(file, 0o444)
            os.utime(file, ns=(time.time_ns(), _UNTOUCHED_NS))
            os.replace(file, path)
        return path

    def adopt_copy(self, file: Path, sha256: str) -> None:
        """Keep what a task produced, for it is likely to be wanted here again; a full disk is no reason to fail."""
        draft = self.draft(sha256)
        if (self._folder / sha256).exists():
            return
        try:
            # Adopting changes mode and time: never of a file that the task has linked from elsewhere.
            if file.stat().st_nlink == 1:
                _link(file, draft)
            else:
                shutil.copyfile(file, draft)
            self.adopt(draft, sha256)
        except OSError:
            draft.unlink(missing_ok=True)

    def _clear_drafts(self) -> None:
        """What a crash left: unfinished copies; downloads that nobody has gone on with for a day."""
        for path in (*self._folder.glob("*.copy"), *self._folder.glob("*.part")):
            if path.suffix == ".copy" or time.time() - path.stat().st_mtime > _PART_DAYS * 86400:
                path.unlink(missing_ok=True)

    def make_room(self, keep: Path | None = None) -> None:
        """Down to the limit, least recently used first."""
        with self._lock:
            files = list(self._files())
            total = sum(stat.st_size for _, stat in files)
            for path, stat in sorted(files, key=lambda entry: entry[1].st_atime_ns):
                if total <= self._limit_bytes:
                    return
                # Work folders hold links of their own: what is in use there survives its eviction here.
                if path != keep and not _is_under_way(path, stat):
                    path.unlink(missing_ok=True)
                    total -= stat.st_size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                yield path, path.stat()


def _is_under_way(path: Path, found: os.stat_result) -> bool:
    """A download, or a file that is being put together, that somebody went on with not long ago."""
    return path.suffix in (".part", ".copy") and time.time() - found.st_mtime <= _PART_DAYS * 86400


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except FileExistsError:
        # Copying would write through a link that is there already, into the cache.
        raise
    except OSError:
        shutil.copyfile(source, target)
