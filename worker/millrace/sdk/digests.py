"""What is known of files that were read before: digests by path, size, modification time and inode.

One small SQLite file in the user's cache folder, shared by all processes of the user. It only saves time: one that
cannot be opened or read is done without, and it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from millrace.sdk.sending import CHUNK

PIECE_BYTES = 64 * 1024**2
"""Larger files are stored in pieces of this size."""
_SETTLED_SECONDS = 2.0
"""A file younger than this may change again without a new modification time: its digest is not kept."""
_FORGET_DAYS = 90


class FileChanged(Exception):
    """A file was written to while it was read."""


@dataclass(frozen=True)
class Digests:
    size: int
    sha256: str
    pieces: tuple[str, ...]
    """SHA-256 of each piece, where there is more than one."""


def default_cache() -> Path:
    root = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "millrace" / "digests.sqlite"


class DigestCache:
    """Used by one thread at a time; `None` in place of the connection: there is nothing to remember in."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def of(self, file: Path, piece_bytes: int = PIECE_BYTES) -> Digests:
        """Of the file as it is now. Raises OSError, and FileChanged."""
        before = file.stat()
        key = (str(file.resolve()), before.st_size, before.st_mtime_ns, before.st_ino, piece_bytes)
        known = self._find(key)
        if known is not None:
            return Digests(before.st_size, known[0], tuple(known[1]))
        found = _read(file, piece_bytes)
        after = file.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or found.size != before.st_size:
            raise FileChanged(f"{file} changed while it was read")
        if time.time() - after.st_mtime > _SETTLED_SECONDS:
            self._keep(key, found)
        return found

    def _find(self, key: tuple[str, int, int, int, int]) -> tuple[str, list[str]] | None:
        if self._connection is None:
            return None
        with contextlib.suppress(sqlite3.Error, ValueError):
            wanted = "path = ? AND size = ? AND mtime_ns = ? AND inode = ? AND piece_bytes = ?"
            row = self._connection.execute(f"SELECT sha256, pieces FROM digests WHERE {wanted}", key).fetchone()
            return None if row is None else (row[0], json.loads(row[1]))
        return None

    def _keep(self, key: tuple[str, int, int, int, int], found: Digests) -> None:
        if self._connection is not None:
            row = (*key, found.sha256, json.dumps(found.pieces), int(time.time()))
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


@contextmanager
def digest_cache(path: Path | None = None) -> Iterator[DigestCache]:
    connection = _opened(path or default_cache())
    try:
        yield DigestCache(connection)
    finally:
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.commit()
            connection.close()


def _opened(path: Path) -> sqlite3.Connection | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=2.0)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER,"
            " piece_bytes INTEGER, sha256 TEXT, pieces TEXT, seen_at INTEGER)"
        )
        connection.execute("DELETE FROM digests WHERE seen_at < ?", (int(time.time()) - _FORGET_DAYS * 86_400,))
        connection.commit()
    except (OSError, sqlite3.Error):
        return None
    return connection


def _read(file: Path, piece_bytes: int) -> Digests:
    whole, pieces, size = hashlib.sha256(), [hashlib.sha256()], 0
    with file.open("rb") as source:
        while chunk := source.read(min(CHUNK, piece_bytes - size % piece_bytes)):
            if size and size % piece_bytes == 0:
                pieces.append(hashlib.sha256())
            whole.update(chunk)
            pieces[-1].update(chunk)
            size += len(chunk)
    several = tuple(piece.hexdigest() for piece in pieces) if len(pieces) > 1 else ()
    return Digests(size, whole.hexdigest(), several)
