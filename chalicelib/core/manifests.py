"""Manifests: blobs that list the files of a folder (`docs/files.md`). Read here when a job names one, and when a worker
wants its objects.

What a manifest lists is checked once, when a job is submitted; from then on its bytes cannot change.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .errors import BadInput, LeaseLost, NotFound, ObjectMissing
from .farm import Farm
from .file_paths import clashes, wrong_with
from .holding import held
from .model import Blob, BlobId, TaskId, WorkerId
from .ports import ObjectStore, SignedRequest

LARGEST_BYTES = 32 * 1024**2
MOST_FILES = 100_000
MOST_OBJECTS = 20_000
NAMED = 10
"""Missing files that an error names."""
DOWNLOAD_SECONDS = 3600
KEPT = 8
"""Manifests whose digests are in memory."""
_LOOKS = 16
"""At the object store, at the same time."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**50)]
Object = tuple[Sha256, Count]
"""(SHA-256, size in bytes)"""
File = tuple[str, Sha256, Count, Count, Count]
"""(path, SHA-256, size in bytes, number of the object it begins in, offset there)"""


class Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    objects: Annotated[tuple[Object, ...], Field(max_length=MOST_OBJECTS)]
    files: Annotated[tuple[File, ...], Field(max_length=MOST_FILES)]

    @functools.cached_property
    def _ends(self) -> Sequence[int]:
        """Of all objects, laid one after the other, where each ends."""
        return list(itertools.accumulate(size for _, size in self.objects))

    def objects_of(self, file: File) -> range:
        """The numbers of those that hold its bytes. Raises ValueError when they end before it does."""
        path, _, size, first, offset = file
        begin = (self._ends[first - 1] if 0 < first <= len(self.objects) else 0) + offset
        if first > len(self.objects) or begin + size > (self._ends[-1] if self._ends else 0):
            raise ValueError(f"{path!r} goes on behind the last object")
        return range(first, bisect.bisect_left(self._ends, begin + size) + 1) if size else range(first, first)


def parsed(data: bytes) -> Manifest:
    """Raises ValueError that says what is wrong with it."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"no manifest: {'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}") from None
    for file in manifest.files:
        if problem := wrong_with(file[0]):
            raise ValueError(f"path {file[0][:200]!r} {problem}")
        manifest.objects_of(file)
    if clash := clashes(file[0] for file in manifest.files):
        raise ValueError(f"{clash[0]!r} and {clash[1]!r} cannot both be there on Windows and macOS")
    return manifest


def require_complete(farm: Farm, field: str, blob: Blob) -> None:
    """Every file of this manifest is there. Raises BadInput that names the field, and the files that are not."""
    try:
        manifest = read(farm, blob)
    except (ValueError, ObjectMissing) as error:
        raise BadInput(f"{field}: blob {blob.id}: {error}", field=field) from None
    absent = absent_of(farm, manifest.objects)
    if not absent:
        return
    holes = [number for number, one in enumerate(manifest.objects) if one in absent]
    lost = [file[0] for file in manifest.files if _holds_one_of(manifest.objects_of(file), holes)]
    named = ", ".join(lost[:NAMED]) + (f" and {len(lost) - NAMED} more" if len(lost) > NAMED else "")
    raise BadInput(f"{field}: {len(lost)} of {len(manifest.files)} files are not stored: {named}", field=field)


def _holds_one_of(numbers: range, holes: Sequence[int]) -> bool:
    at = bisect.bisect_left(holes, numbers.start)
    return at < len(holes) and holes[at] < numbers.stop


def absent_of(farm: Farm, wanted: Iterable[Object]) -> set[Object]:
    """Those of which the store has no content, or content of another size; the others are held."""

    def is_there(one: Object) -> bool:
        head = held(farm, f"blobs/{one[0]}")
        return head is not None and head.size == one[1]

    distinct = list(dict.fromkeys(wanted))
    with ThreadPoolExecutor(_LOOKS, thread_name_prefix="manifest") as pool:
        return {one for one, found in zip(distinct, pool.map(is_there, distinct), strict=True) if not found}


def read(farm: Farm, blob: Blob) -> Manifest:
    """From memory, if it was read last: what has this digest never changes. Raises ValueError or ObjectMissing."""
    return _memory.manifest(farm.objects, blob)


def sign(
    farm: Farm, worker: WorkerId, task: TaskId, generation: int, manifest: BlobId, wanted: Sequence[str]
) -> list[SignedRequest]:
    """Downloads of these objects, in their order, for a worker that holds a task which reads the manifest.

    Raises LeaseLost, and NotFound for a manifest that the task does not read, or an object that is not in it.
    """
    found = farm.tasks.get(task)
    if found is None or found.lease is None or (found.lease.worker, found.generation) != (worker, generation):
        raise LeaseLost("this worker does not hold the task under this generation")
    blob = farm.blobs.get(manifest)
    if blob is None or not any(given.blob == manifest and given.name.endswith("/") for given in found.work.inputs):
        raise NotFound(f"task {task} reads no manifest {manifest}")
    try:
        known = _memory.digests(farm.objects, blob)
    except ValueError as error:
        raise NotFound(f"blob {manifest} is {error}") from None
    for sha256 in wanted:
        if sha256 not in known:
            raise NotFound(f"manifest {manifest} has no object {sha256}")
    return [
        farm.objects.sign_download(f"blobs/{sha256}", seconds=DOWNLOAD_SECONDS, content_type="application/octet-stream")
        for sha256 in wanted
    ]


class _Memory:
    """Workers ask for the objects of one manifest again and again: of those only the digests are kept. The whole of
    one takes ten times as much, 40 MB for 100,000 files; so only the last is, for jobs that name the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._last: tuple[str, Manifest] | None = None

    def manifest(self, objects: ObjectStore, blob: Blob) -> Manifest:
        last = self._last
        if last is not None and last[0] == blob.sha256:
            return last[1]
        self._last = last = None  # or both were there at once
        manifest = _loaded(objects, blob)
        self._last = blob.sha256, manifest
        return manifest

    def digests(self, objects: ObjectStore, blob: Blob) -> frozenset[str]:
        with self._lock:
            if blob.sha256 in self._digests:
                self._digests.move_to_end(blob.sha256)
                return self._digests[blob.sha256]
        last = self._last
        manifest = last[1] if last is not None and last[0] == blob.sha256 else _loaded(objects, blob)
        digests = frozenset(sha256 for sha256, _ in manifest.objects)
        with self._lock:
            self._digests[blob.sha256] = digests
            while len(self._digests) > KEPT:
                self._digests.popitem(last=False)
        return digests


def _loaded(objects: ObjectStore, blob: Blob) -> Manifest:
    if blob.size > LARGEST_BYTES:
        raise ValueError(f"no manifest: it has {blob.size:,} bytes, at most {LARGEST_BYTES:,} are read")
    data = objects.get(blob.object_key)
    if data is None:
        raise ObjectMissing(f"the manifest was announced, but its {blob.size} bytes are not stored")
    return parsed(data)


_memory = _Memory()
