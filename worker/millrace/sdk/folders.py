"""Files to the farm: what it lacks is sent, in parallel, and a manifest names it all (`docs/files.md`).

Called by `Farm.upload_folder` and `Farm.upload_files`. Repeatable at any point: every object is whole or not there,
and what is there is not sent again. A file that changes meanwhile is an error that names it; the farm has then got
nothing under a wrong name.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin

import requests

from millrace.files.manifest import MOST_BYTES, BadManifest, FileEntry, Manifest, StoredObject, check_paths
from millrace.sdk.calls import DISTURBANCES, LATER, TIMEOUT_SECONDS, Calls, Patience, successful
from millrace.sdk.digests import PIECE_BYTES, DigestCache, Digests, FileChanged, digest_cache
from millrace.sdk.errors import BadRequest, Unreachable
from millrace.sdk.transfers import OnBytes, without_credentials

PACKED_BYTES = 256 * 1024
"""Files up to this size share objects."""
PACK_BYTES = 16 * 1024**2
PARALLEL = 8
ASKED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Slice:
    """Bytes of a file on this machine."""

    file: Path
    offset: int
    size: int


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
    wanted = list(sources)
    for start in range(0, len(wanted), ASKED_AT_ONCE):
        some = wanted[start : start + ASKED_AT_ONCE]
        missing = _missing(calls, some)
        progress.done(sum(one.size for one in some) - sum(one.size for one, _ in missing))
        patience = Patience(calls.patience_seconds)
        while missing and not _send_all(calls, missing, sources, progress):
            if not patience.wait():
                raise Unreachable("the upload breaks off again and again; what has arrived will not be sent again")
            left = _missing(calls, [one for one, _ in missing])
            patience = Patience(calls.patience_seconds) if len(left) < len(missing) else patience
            missing = left


def _missing(calls: Calls, wanted: Sequence[StoredObject]) -> list[tuple[StoredObject, dict[str, Any]]]:
    contents = [{"size": one.size, "sha256": one.sha256} for one in wanted]
    answer = calls.json("POST", "/blobs/missing", repeatable=True, json={"contents": contents})
    return [(StoredObject(one["sha256"], one["size"]), one["upload"]) for one in answer["missing"]]


def _send_all(
    calls: Calls,
    missing: Sequence[tuple[StoredObject, dict[str, Any]]],
    sources: dict[StoredObject, tuple[Slice, ...]],
    progress: _Progress,
) -> bool:
    """False when some broke off and are worth another try. The first error that is not ends it."""
    threads = threading.local()

    def send(one: StoredObject, upload: dict[str, Any]) -> bool:
        if not hasattr(threads, "session"):
            threads.session = without_credentials()
        return _sent(calls, threads.session, upload, sources[one], one.size, progress)

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="upload") as pool:
        running = [pool.submit(send, one, upload) for one, upload in missing]
        done, rest = wait(running, return_when=FIRST_EXCEPTION)
        for future in rest:
            future.cancel()
        return all([future.result() for future in done])


def _sent(
    calls: Calls,
    session: requests.Session,
    upload: dict[str, Any],
    slices: Sequence[Slice],
    size: int,
    progress: _Progress,
) -> bool:
    body = _Body(slices, size)
    try:
        response = session.request(
            upload["method"],
            urljoin(calls.url, upload["url"]),
            data=body if size else b"",
            headers=dict(upload["headers"]),
            timeout=TIMEOUT_SECONDS,
        )
    except DISTURBANCES:
        return False
    finally:
        body.close()
    if response.status_code in LATER:
        return False
    if response.status_code == 400:
        named = ", ".join(str(one.file) for one in slices[:3])
        raise BadRequest(
            {"status": 400, "detail": f"{named}: changed while it was uploaded, or was damaged on the way"}
        )
    successful(response)
    progress.done(size)
    return True


class _Body:
    """Slices of files, one after the other, as requests reads a body: its length lets it announce the size."""

    def __init__(self, slices: Sequence[Slice], size: int) -> None:
        self._slices, self._size = list(slices), size
        self._file: BinaryIO = io.BytesIO()
        self._left = 0

    def __len__(self) -> int:
        return self._size

    def read(self, amount: int = -1) -> bytes:
        while self._left == 0 and self._slices:
            following = self._slices.pop(0)
            self._file.close()
            self._file = following.file.open("rb")
            self._file.seek(following.offset)
            self._left = following.size
        # http.client asks for 8 KiB at a time; larger pieces cost a tenth of the time.
        data = self._file.read(min(self._left, max(amount, 1 << 20)))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


class _Progress:
    def __init__(self, total: int, on_bytes: OnBytes | None) -> None:
        self._total, self._on_bytes = total, on_bytes
        self._lock = threading.Lock()
        self._done = 0

    def done(self, size: int) -> None:
        """So much more is there."""
        with self._lock:
            self._done = min(self._total, self._done + size)
            if self._on_bytes is not None:
                self._on_bytes(self._done, self._total)


def _store_manifest(calls: Calls, wire: bytes) -> str:
    patience = Patience(calls.patience_seconds)
    announced = {"size": len(wire), "sha256": hashlib.sha256(wire).hexdigest()}
    while True:
        blob = calls.json("POST", "/blobs", repeatable=True, json=announced)
        upload = blob.get("upload")
        if upload is None or _sent_bytes(calls, upload, wire):
            return str(blob["id"])
        if not patience.wait():
            raise Unreachable("the upload of the manifest breaks off again and again")


def _sent_bytes(calls: Calls, upload: dict[str, Any], data: bytes) -> bool:
    url, headers = urljoin(calls.url, upload["url"]), dict(upload["headers"])
    try:
        with without_credentials() as session:
            response = session.request(upload["method"], url, data=data, headers=headers, timeout=TIMEOUT_SECONDS)
    except DISTURBANCES:
        return False
    if response.status_code in LATER:
        return False
    successful(response)
    return True
