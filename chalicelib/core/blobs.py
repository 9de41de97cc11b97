"""Blobs: immutable bytes with an id. Content is kept once per SHA-256; an id is a name for it, and names are cheap.

Large content goes around this process: `announce` gives a signed request that stores exactly the announced bytes.
A blob is stored when its object is there: that is asked of the object store, never remembered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

from . import holding
from .errors import BadInput, NotFound, ObjectMissing, Unavailable
from .farm import Farm
from .model import Blob, BlobId, ManifestId, Output, TaskId, WorkerId
from .ports import SignedRequest

LARGEST_BYTES = 5 * 1024**4
LARGEST_READ_BYTES = 1024**3
UPLOAD_SECONDS = 3600
DOWNLOAD_SECONDS = 3600
_SHA256 = re.compile(r"[0-9a-f]{64}")


def announce(farm: Farm, size: int, sha256: str) -> tuple[Blob, SignedRequest | None]:
    """A new blob and the request that uploads its content; None when the content is known already."""
    _check_announced(size, sha256)
    blob = _new(farm, size, sha256)
    head = holding.held(farm, blob.object_key)
    if head is not None and head.size != size:
        raise BadInput(f"the content with this sha256 has {head.size} bytes, not {size}", field="size")
    farm.blobs.add(blob)
    if head is not None:
        return blob, None
    return blob, farm.objects.sign_upload(blob.object_key, size=size, sha256=sha256, seconds=UPLOAD_SECONDS)


def missing(farm: Farm, contents: Sequence[tuple[int, str]]) -> list[tuple[int, str, SignedRequest]]:
    """Those of these (size, SHA-256) that are not there, each once, with the request that uploads it. Names nothing."""
    for size, sha256 in contents:
        _check_announced(size, sha256)
    from . import manifests  # their models are not for those who claim and report

    absent = manifests.absent_of(farm, [(sha256, size) for size, sha256 in contents])
    return [
        (size, sha256, farm.objects.sign_upload(f"blobs/{sha256}", size=size, sha256=sha256, seconds=UPLOAD_SECONDS))
        for sha256, size in sorted(absent)
    ]


def _check_announced(size: int, sha256: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise BadInput("sha256 must be 64 lower-case hex digits", field="sha256")
    if not 0 <= size <= LARGEST_BYTES:
        raise BadInput(f"size must be 0 to {LARGEST_BYTES} bytes, not {size}", field="size")


def store(farm: Farm, source: BinaryIO, size: int, sha256: str) -> Blob:
    """A new blob with content that has come in already."""
    blob = _new(farm, size, sha256)
    if holding.held(farm, blob.object_key) is None:
        farm.objects.put_stream(blob.object_key, source, size=size, sha256=sha256)
    farm.blobs.add(blob)
    return blob


def store_bytes(farm: Farm, data: bytes) -> Blob:
    blob = _new(farm, len(data), hashlib.sha256(data).hexdigest())
    farm.objects.put(blob.object_key, data)
    farm.blobs.add(blob)
    return blob


def _new(farm: Farm, size: int, sha256: str) -> Blob:
    return Blob(farm.ids.one(), size, sha256, farm.clock.now())


def get(farm: Farm, blob_id: BlobId) -> Blob:
    blob = farm.blobs.get(blob_id)
    if blob is None:
        raise NotFound(f"no such blob: {blob_id}")
    return blob


def require_content(farm: Farm, blob: Blob) -> Blob:
    """The blob, if its content is there."""
    if farm.objects.head(blob.object_key) is None:
        raise ObjectMissing(f"blob {blob.id} was announced, but its {blob.size} bytes were never uploaded")
    return blob


def require_stored(farm: Farm, wanted: Mapping[str, BlobId]) -> None:
    """Every named blob exists and has its content; raises BadInput that names the first field with what is missing."""
    known = farm.blobs.get_many(list(wanted.values()))
    for field, blob_id in wanted.items():
        blob = known.get(blob_id)
        if blob is None:
            raise BadInput(f"{field}: no such blob: {blob_id}", field=field)
        if holding.held(farm, blob.object_key) is None:
            text = f"blob {blob.id} was announced, but its {blob.size} bytes were never uploaded"
            raise BadInput(f"{field}: {text}", field=field)
        if isinstance(blob_id, ManifestId):
            from . import manifests

            manifests.require_complete(farm, field, blob)


def hold(farm: Farm, wanted: Iterable[BlobId]) -> None:
    """Keep what a job relies on, as far as it is there, from being removed just now. Raises Unavailable: try again."""
    for blob in farm.blobs.get_many(list(wanted)).values():
        holding.held(farm, blob.object_key)


def require_given(farm: Farm, worker: WorkerId, blob_id: BlobId, task: TaskId | None) -> None:
    """Raises NotFound unless the worker holds a task that reads this blob. `task`: the one that it names.

    Without one, those that the index of leases shows. Where that may lag behind a claim, nothing found is Unavailable:
    ask again.
    """
    held = [entry.task for entry in farm.tasks.held_by(worker)] if task is None else [task]
    for one in held:
        found = farm.tasks.get(one)
        holds = found is not None and found.lease is not None and found.lease.worker == worker
        if found is not None and holds and any(given.blob == blob_id for given in found.work.inputs):
            return
    if task is None and not farm.table.exact:
        raise Unavailable(f"no lease of worker {worker} on a task that reads blob {blob_id} has shown yet")
    raise NotFound(f"no such blob: {blob_id}")


def is_what_it_says(farm: Farm, key: str, size: int) -> bool:
    """False if the object is named as a blob's content and has another digest. Reads it, if `size` allows: what is
    larger than a gigabyte, gone, or named otherwise, is not looked at."""
    prefix, _, digest = key.rpartition("/")
    if prefix != "blobs" or not _SHA256.fullmatch(digest) or size > LARGEST_READ_BYTES:
        return True
    chunks = farm.objects.open(key)
    if chunks is None:
        return True
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest() == digest


def as_outputs(farm: Farm, named: Mapping[str, BlobId]) -> tuple[Output, ...]:
    """What a worker says it produced, verified, and kept from being removed as old at this moment. Raises ObjectMissing
    that names what is not there, Unavailable: try again."""
    known = farm.blobs.get_many(list(named.values()))
    for name, blob_id in named.items():
        if blob_id not in known or holding.held(farm, known[blob_id].object_key) is None:
            raise ObjectMissing(f"output missing: {name!r} (blob {blob_id}) is not stored")
    return tuple(Output(name, b, known[b].size, known[b].sha256) for name, b in named.items())
