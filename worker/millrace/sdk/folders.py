"""Files to the farm: what it lacks is sent, in parallel, and a manifest names it all (`docs/files.md`).

Called by `Farm.upload_folder` and `Farm.upload_files`. Repeatable at any point: every object is whole or not there,
and what is there is not sent again. A file that changes meanwhile is an error that names it; the farm has then got
nothing under a wrong name.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.files.manifest import MOST_BYTES, BadManifest, FileEntry, Manifest, StoredObject, check_paths
from millrace.sdk.calls import Breaks, Calls
from millrace.sdk.digests import PIECE_BYTES, DigestCache, Digests, FileChanged, digest_cache
from millrace.sdk.errors import BadRequest, Unreachable
from millrace.sdk.sending import Body, OnBytes, Slice, put, without_credentials

PACKED_BYTES = 256 * 1024
"""Files up to this size share objects."""
PACK_BYTES = 16 * 1024**2
PARALLEL = 8
ASKED_AT_ONCE = 1_000
BYTES_AT_ONCE = 4 * 1000**3
"""An hour, for which requests are signed, suffices at 9 Mbit/s; what takes longer is signed anew."""


@dataclass(frozen=True)
class Packing:
    """A manifest, and where the bytes of its objects lie here."""

    manifest: Manifest
    sources: tuple[tuple[Slice, ...], ...]


def upload_files(calls: Calls, files: Mapping[str, Path], on_bytes: OnBytes | None = None) -> str:
    """The blob id of the manifest of `files`: path in the job -> file here. Raises OSError, BadRequest that names a
    file, and what errors.py says."""
    try:
        check_paths(list(files))
        with digest_cache() as cache:
            packing = packed(files, cache)
    except (BadManifest, FileChanged) as error:
        raise BadRequest({"status": 400, "detail": str(error)}) from error
    wire = packing.manifest.to_json()
    if len(wire) > MOST_BYTES:
        raise BadRequest({"status": 400, "detail": f"{len(files):,} files are too many for one manifest"})
    _send_missing(calls, packing, on_bytes)
    return _store_manifest(calls, wire)


def files_below(root: Path) -> list[str]:
    """All files of a folder, sorted, relative with `/`. Raises BadRequest that names the first symbolic link."""
    if root.is_symlink() or not root.is_dir():
        raise BadRequest({"status": 400, "detail": f"{root} is no folder"})
    return sorted(_walked(root, ""))


def _walked(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                text = f"{entry.path} is a symbolic link; put the file itself there, or leave it out"
                raise BadRequest({"status": 400, "detail": text})
            if entry.is_dir():
                yield from _walked(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield prefix + entry.name


# ---- which objects --------------------------------------------------------------------------------------------------


def packed(named: Mapping[str, Path], cache: DigestCache, piece_bytes: int = PIECE_BYTES) -> Packing:
    """Of files by their paths in the job. The same ones always give the same objects, in whatever order."""
    found = [(path, cache.of(named[path], piece_bytes)) for path in sorted(named)]
    objects: dict[tuple[str, ...], int] = {}
    stored: list[StoredObject] = []
    sources: list[tuple[Slice, ...]] = []
    files: list[FileEntry] = []

    def place(pieces: Sequence[tuple[StoredObject, tuple[Slice, ...]]]) -> int:
        """The number of the first; a run of objects that is there already is used again."""
        key = tuple(one.sha256 for one, _ in pieces)
        if key not in objects:
            objects[key] = len(stored)
            stored.extend(one for one, _ in pieces)
            sources.extend(where for _, where in pieces)
        return objects[key]

    small = [(path, digests) for path, digests in found if digests.size <= PACKED_BYTES]
    for path, digests in found:
        if digests.size > PACKED_BYTES:
            first = place(_pieces(named[path], digests, piece_bytes))
            files.append(FileEntry(path, digests.sha256, digests.size, first, 0))
    for pack in _packs(small):
        if len(pack) == 1 and pack[0][1].size:
            path, digests = pack[0]
            files.append(FileEntry(path, digests.sha256, digests.size, place(_pieces(named[path], digests)), 0))
            continue
        one, where = _pack(named, pack)
        number = place([(one, where)]) if one.size else 0
        offset = 0
        for path, digests in pack:
            files.append(FileEntry(path, digests.sha256, digests.size, number, offset if digests.size else 0))
            offset += digests.size
    return Packing(Manifest(tuple(stored), tuple(sorted(files, key=lambda file: file.path))), tuple(sources))


def _pieces(
    file: Path, digests: Digests, piece_bytes: int = PIECE_BYTES
) -> list[tuple[StoredObject, tuple[Slice, ...]]]:
    if not digests.pieces:
        return [(StoredObject(digests.sha256, digests.size), (Slice(file, 0, digests.size),))]
    cuts = [(n * piece_bytes, min(piece_bytes, digests.size - n * piece_bytes)) for n in range(len(digests.pieces))]
    return [
        (StoredObject(sha256, size), (Slice(file, offset, size),))
        for sha256, (offset, size) in zip(digests.pieces, cuts, strict=True)
    ]


def _packs(small: Sequence[tuple[str, Digests]]) -> Iterator[list[tuple[str, Digests]]]:
    """A pack ends when it is full, or behind a file whose digest begins with 00: one in 256, wherever it stands. So a
    changed file changes its pack, and the next boundary of this kind is where it was."""
    pack: list[tuple[str, Digests]] = []
    size = 0
    for path, digests in small:
        if size + digests.size > PACK_BYTES:
            yield pack
            pack, size = [], 0
        pack.append((path, digests))
        size += digests.size
        if digests.sha256.startswith("00"):
            yield pack
            pack, size = [], 0
    if pack:
        yield pack


def _pack(named: Mapping[str, Path], pack: Sequence[tuple[str, Digests]]) -> tuple[StoredObject, tuple[Slice, ...]]:
    """Raises FileChanged: each file is read again, and must be what it was."""
    whole = hashlib.sha256()
    for path, digests in pack:
        data = named[path].read_bytes()
        if hashlib.sha256(data).hexdigest() != digests.sha256:
            raise FileChanged(f"{named[path]} changed while it was read")
        whole.update(data)
    slices = tuple(Slice(named[path], 0, digests.size) for path, digests in pack)
    return StoredObject(whole.hexdigest(), sum(one.size for one in slices)), slices


# ---- sending ---------------------------------------------------------------------------------------------------------


def _send_missing(calls: Calls, packing: Packing, on_bytes: OnBytes | None) -> None:
    """Until the farm lacks nothing. Signed requests last an hour, so a few are asked for at a time."""
    sources = dict(zip(packing.manifest.objects, packing.sources, strict=True))
    progress = _Progress(sum(one.size for one in sources), on_bytes)
    breaks = Breaks(calls.patience_seconds)
    for some in _batches(list(sources)):
        missing = _missing(calls, some)
        progress.done(sum(one.size for one in some) - sum(one.size for one, _ in missing))
        while missing and (why := _send_all(calls, missing, sources, progress)) is not None:
            if not breaks.wait(progress.bytes_done):
                text = "the upload breaks off again and again; what has arrived will not be sent again"
                raise Unreachable(f"{text} ({why})")
            missing = _missing(calls, [one for one, _ in missing])


def _batches(wanted: Sequence[StoredObject]) -> Iterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    size = 0
    for one in wanted:
        if batch and (len(batch) == ASKED_AT_ONCE or size + one.size > BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


def _missing(calls: Calls, wanted: Sequence[StoredObject]) -> list[tuple[StoredObject, dict[str, Any]]]:
    contents = [{"size": one.size, "sha256": one.sha256} for one in wanted]
    answer = calls.json("POST", "/blobs/missing", repeatable=True, json={"contents": contents})
    return [(StoredObject(one["sha256"], one["size"]), one["upload"]) for one in answer["missing"]]


def _send_all(
    calls: Calls,
    missing: Sequence[tuple[StoredObject, dict[str, Any]]],
    sources: dict[StoredObject, tuple[Slice, ...]],
    progress: _Progress,
) -> str | None:
    """Why some broke off that are worth another try; None when all are there. The first error that is not ends it, and
    so does Ctrl-C, within what is being read."""
    threads = threading.local()
    ended = threading.Event()

    def go_on(done: int) -> None:
        if ended.is_set():
            raise ConnectionAbortedError  # a disturbance, whose outcome nobody looks at any more

    def send(one: StoredObject, upload: dict[str, Any]) -> str | None:
        if not hasattr(threads, "session"):
            threads.session = without_credentials()
        outcome = put(calls, threads.session, upload, Body(sources[one], go_on))
        if isinstance(outcome, str):
            return outcome
        progress.done(one.size)
        return None

    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="upload")
    try:
        running = [pool.submit(send, one, upload) for one, upload in missing]
        wait(running, return_when=FIRST_EXCEPTION)
        outcomes = [future.result() for future in running if future.done()]
        return next((why for why in outcomes if why is not None), None)
    finally:
        ended.set()
        pool.shutdown(wait=False, cancel_futures=True)


class _Progress:
    def __init__(self, total: int, on_bytes: OnBytes | None) -> None:
        self._total, self._on_bytes = total, on_bytes
        self._lock = threading.Lock()
        self._done = 0

    @property
    def bytes_done(self) -> int:
        return self._done

    def done(self, size: int) -> None:
        """So much more is there."""
        with self._lock:
            self._done = min(self._total, self._done + size)
            if self._on_bytes is not None:
                self._on_bytes(self._done, self._total)


def _store_manifest(calls: Calls, wire: bytes) -> str:
    breaks = Breaks(calls.patience_seconds)
    announced = {"size": len(wire), "sha256": hashlib.sha256(wire).hexdigest()}
    while True:
        blob = calls.json("POST", "/blobs", repeatable=True, json=announced)
        upload = blob.get("upload")
        if upload is None:
            return str(blob["id"])
        with without_credentials() as session:
            outcome = put(calls, session, upload, wire)
        if not isinstance(outcome, str):
            return str(blob["id"])
        if not breaks.wait(0):
            raise Unreachable(f"the upload of the manifest breaks off again and again: {outcome}")
