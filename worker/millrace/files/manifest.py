"""A manifest: the files of a folder, and the objects that hold their bytes (`docs/files.md`). No I/O here."""

from __future__ import annotations

import bisect
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.files.paths import clashes, wrong_with

MOST_BYTES = 32 * 1024**2
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BadManifest(ValueError):
    """It cannot be laid out; the message says why."""


@dataclass(frozen=True)
class StoredObject:
    sha256: str
    size: int


@dataclass(frozen=True)
class FileEntry:
    """A file: the bytes from `offset` in object number `first` on, and on through the objects after it."""

    path: str
    sha256: str
    size: int
    first: int
    offset: int


@dataclass(frozen=True)
class Manifest:
    objects: tuple[StoredObject, ...]
    files: tuple[FileEntry, ...]
    _ends: Sequence[int] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", list(itertools.accumulate(one.size for one in self.objects)))

    def objects_of(self, file: FileEntry) -> range:
        """The numbers of the objects that hold its bytes. Raises BadManifest when they end before it does."""
        begin = (self._ends[file.first - 1] if 0 < file.first <= len(self.objects) else 0) + file.offset
        if file.first > len(self.objects) or begin + file.size > (self._ends[-1] if self._ends else 0):
            raise BadManifest(f"{file.path!r} goes on behind the last object")
        if not file.size:
            return range(file.first, file.first)
        return range(file.first, bisect.bisect_left(self._ends, begin + file.size) + 1)

    def to_json(self) -> bytes:
        wire = {
            "version": 1,
            "objects": [[one.sha256, one.size] for one in self.objects],
            "files": [[one.path, one.sha256, one.size, one.first, one.offset] for one in self.files],
        }
        return json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode()


def parse_manifest(data: bytes) -> Manifest:
    """Raises BadManifest: also for a path that could lead out of a folder, or two that could meet in one file."""
    try:
        wire = json.loads(data)
        if not isinstance(wire, Mapping) or wire.get("version") != 1:
            raise BadManifest("no manifest of version 1")
        objects = tuple(StoredObject(_digest(sha256), _count(size)) for sha256, size in wire["objects"])
        files = tuple(
            FileEntry(_path(path), _digest(sha256), _count(size), _count(first), _count(offset))
            for path, sha256, size, first, offset in wire["files"]
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadManifest):
            raise
        raise BadManifest(f"no manifest: {error}") from error
    manifest = Manifest(objects, files)
    check_paths([file.path for file in files])
    for file in files:
        manifest.objects_of(file)
    return manifest


def check_paths(paths: Sequence[str]) -> None:
    """Raises BadManifest that names the first path which no manifest can hold."""
    for path in paths:
        _path(path)
    if clash := clashes(paths):
        raise BadManifest(f"{clash[0]!r} and {clash[1]!r} cannot both be there on Windows and macOS; rename one")


def _path(path: Any) -> str:
    if not isinstance(path, str):
        raise BadManifest(f"path {path!r} is no text")
    if problem := wrong_with(path):
        raise BadManifest(f"path {path[:200]!r} {problem}")
    return path


def _digest(text: Any) -> str:
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise BadManifest(f"{str(text)[:80]!r} is no SHA-256")
    return text


def _count(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 2**50:
        raise BadManifest(f"{str(number)[:40]!r} is no count of bytes or objects")
    return number
