"""Content too large for one request, sent in parts past the manager.

The blob is announced as ever; then: begin, have parts signed a hundred at a time, send them in any order and as often
as it takes, complete. The store verifies each part by its SHA-256 when it comes. The digest of the whole is verified on
one machine; S3 cannot, so there the sender's word stands for it until a worker fetches the content, which refuses other
bytes. So only what does not fit one request (5 GiB there) may go this way.

A sender that dies leaves parts that nobody sees; the store removes them within days. Completing twice does no harm: the
second time the content is there. Of two who send the same, each in an upload of their own, the slower one's goes then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from . import blobs, holding
from .errors import BadInput, Conflict, Unavailable
from .farm import Farm
from .model import Blob, BlobId
from .ports import ObjectMismatch, SignedRequest, StoredPart

LARGEST_REQUEST_BYTES = 5 * 1024**3
"""S3's limit."""
MOST_PARTS = 10_000
USUAL_PART_BYTES = 64 * 1024**2
MOST_SIGNED = 100
_UPLOAD = re.compile(r"[A-Za-z0-9._~+/=-]{1,1024}")


class Begun(NamedTuple):
    """`upload` is None when the content is known already."""

    upload: str | None
    part_bytes: int
    parts: int


def must_go_in_parts(farm: Farm, blob: Blob) -> bool:
    """Whether the store does not take the content in one request."""
    return blob.size > LARGEST_REQUEST_BYTES and not farm.objects.verifies_parts_together


def begin(farm: Farm, blob_id: BlobId) -> Begun:
    blob = blobs.get(farm, blob_id)
    if blob.size <= LARGEST_REQUEST_BYTES and not farm.objects.verifies_parts_together:
        raise BadInput("content of up to 5 GiB is sent in one request, which is verified as a whole", field="id")
    size = _part_bytes(blob)
    count = max(1, -(-blob.size // size))
    if holding.held(farm, blob.object_key) is not None:
        return Begun(None, size, count)
    return Begun(farm.objects.begin_parts(blob.object_key), size, count)


def sign(farm: Farm, blob_id: BlobId, upload: str, parts: Sequence[tuple[int, str]]) -> list[SignedRequest]:
    """The requests that send these parts, (number, SHA-256) each, in their order."""
    blob = _blob_of(farm, blob_id, upload)
    size = _part_bytes(blob)
    count = max(1, -(-blob.size // size))
    signed = []
    for number, sha256 in parts:
        if not 1 <= number <= count:
            raise BadInput(f"part numbers of blob {blob.id} are 1 to {count}, not {number}", field="parts")
        part = size if number < count else blob.size - size * (count - 1)
        try:
            signed.append(
                farm.objects.sign_part(
                    blob.object_key, upload, number, size=part, sha256=sha256, seconds=blobs.UPLOAD_SECONDS
                )
            )
        except ObjectMismatch as unknown:
            raise BadInput(str(unknown), field="upload") from None
    return signed


def complete(farm: Farm, blob_id: BlobId, upload: str, parts: Sequence[StoredPart]) -> Blob:
    """Raises Conflict when the parts do not make the content: send what is missing, and complete again."""
    blob = _blob_of(farm, blob_id, upload)
    head = farm.objects.head(blob.object_key)
    if head is not None and head.size == blob.size:
        # Somebody else was faster, or this is a repetition: the parts that were sent in vain go now, if they can.
        with suppress(ObjectMismatch, Unavailable):
            farm.objects.abort_parts(blob.object_key, upload)
        return blob
    numbers = [part.number for part in parts]
    count = max(1, -(-blob.size // _part_bytes(blob)))
    if numbers != list(range(1, count + 1)):
        raise BadInput(f"all {count} parts are to be named, by number from 1", field="parts")
    try:
        farm.objects.complete_parts(blob.object_key, upload, parts, size=blob.size, sha256=blob.sha256)
    except ObjectMismatch as mismatch:
        raise Conflict(str(mismatch)) from None
    return blob


def abort(farm: Farm, blob_id: BlobId, upload: str) -> None:
    blob = _blob_of(farm, blob_id, upload)
    try:
        farm.objects.abort_parts(blob.object_key, upload)
    except ObjectMismatch as unknown:
        raise BadInput(str(unknown), field="upload") from None


def _blob_of(farm: Farm, blob_id: BlobId, upload: str) -> Blob:
    if not _UPLOAD.fullmatch(upload):
        raise BadInput("this is no upload that was begun here", field="upload")
    return blobs.get(farm, blob_id)


def _part_bytes(blob: Blob) -> int:
    """Whole mebibytes, so that the most there can be suffice."""
    least = -(-blob.size // MOST_PARTS)
    return max(USUAL_PART_BYTES, -(-least // 1024**2) * 1024**2)
