"""`/data`: bytes in and out.

An upload that dies half way has stored nothing; one whose answer was lost leaves a blob that nobody names. Content is
kept once per SHA-256, but every upload gets a new id.
"""

from __future__ import annotations

from collections.abc import Callable

from ...core import blobs
from ...core.access import Principal, Scope
from ...core.errors import NotFound, ObjectMissing
from ...core.farm import Farm
from ...core.ids import parse_id
from ...core.model import Blob, BlobId
from ...edge import auth, current
from ...edge.http import Reply, Request, stored_object
from . import form_file, native_routes
from .access import speaker
from .envelope import TooLarge, ok

NO_BLOB = "0"
"""Stands for "no blob", and is downloaded as nothing."""
BINARY = "application/octet-stream"
"""Exactly: there are clients that compare the header as a whole."""
THROUGH_LAMBDA_BYTES = 4 * 1000 * 1000
DOWNLOAD_SECONDS = blobs.DOWNLOAD_SECONDS
USE_PRESIGNED = (
    'more than 4 MB do not fit through this door: POST /data with the JSON {"size": N, "sha256": "<hex>"} '
    "and send the bytes to the URL that the answer names"
)


def upload(farm: Farm, request: Request) -> Reply:
    """A multipart form is the protocol's own way; a JSON object announces content that goes past the farm."""
    auth.require_or_worker(farm, request, Scope.SUBMIT, Scope.WORKER)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return native_routes.announce(farm, request)
    size = request.spool.size if request.spool is not None else len(request.body)
    if current.settings().delivery == "redirect" and size > THROUGH_LAMBDA_BYTES:
        raise TooLarge(USE_PRESIGNED)
    measured = form_file.measure(request)
    with request.open_body() as body:
        blob = blobs.store(farm, form_file.open_part(request, body), measured.size, measured.sha256)
    return ok(id=str(blob.id), checksum=blob.sha256)


def info(farm: Farm, request: Request, blob_id: str) -> Reply:
    """`size` only for a worker that shows its secret, as ours does: an old client may break on the key, and on a farm
    with tokens it sends one too."""
    who = auth.require_or_worker(farm, request, Scope.SUBMIT, Scope.WORKER)
    blob = _stored(farm, blob_id, _given(farm, request, who))
    extra = {"size": blob.size} if speaker(farm, request) is not None else {}
    return ok(message="BLOB data object found", id=str(blob.id), checksum=blob.sha256, **extra)


def download(farm: Farm, request: Request, blob_id: str) -> Reply:
    """The bytes, or where they are. Raises NotFound for what was never stored, and for a worker that shows its secret
    for all that no task of its reads: whether there is such a blob it does not learn.

    Our worker names the task (`?task=`), which costs one read; for others the index of leases is asked.
    """
    who = auth.require_or_worker(farm, request, Scope.SUBMIT, Scope.WORKER)
    if blob_id == NO_BLOB:
        return Reply(200, b"", BINARY)
    blob = _stored(farm, blob_id, _given(farm, request, who))
    delivery = current.settings().delivery
    if delivery == "stream":
        return stored_object(blob.object_key, BINARY)
    if delivery == "redirect" and blob.size > THROUGH_LAMBDA_BYTES:
        signed = farm.objects.sign_download(blob.object_key, seconds=DOWNLOAD_SECONDS, content_type=BINARY)
        return Reply(307, b"", None, {"Location": request.absolute(signed.url)})
    content = farm.objects.get(blob.object_key)
    if content is None:
        raise _missing()
    return Reply(200, content, BINARY)


def _given(farm: Farm, request: Request, who: Principal) -> Callable[[BlobId], None]:
    """Raises NotFound for a blob that this caller may not read."""

    def check(blob: BlobId) -> None:
        if who.worker is not None:
            task = request.query.get("task")
            blobs.require_given(farm, who.worker, blob, None if task is None else parse_id(task, "task"))

    return check


def _stored(farm: Farm, blob_id: str, check: Callable[[BlobId], None]) -> Blob:
    try:
        number = parse_id(blob_id, "blob")
        check(number)
        return blobs.require_content(farm, blobs.get(farm, number))
    except ObjectMissing:
        raise
    except NotFound:
        raise _missing() from None


def _missing() -> NotFound:
    return NotFound("BLOB data object is not exist")
