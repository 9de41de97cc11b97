"""Blobs: announce content, look, fetch it. Where the client allows it, the bytes go around this process."""

from __future__ import annotations

from ..core import blobs
from ..core.access import Scope
from ..core.errors import ObjectMissing
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.model import Blob
from ..core.ports import SignedRequest
from ..edge import current
from ..edge.http import Reply, Request, stored_object
from ..edge.refusals import API
from . import models, translate
from .answering import UNSNIFFED, answer
from .operations import BINARY, Operation
from .reading import read_body
from .wanted import BlobWanted, ContentsWanted

THROUGH_LAMBDA_BYTES = 4_000_000
"""Above this an answer does not fit through Lambda."""


def announce(farm: Farm, request: Request) -> Reply:
    """Make a blob, and learn how to upload its content.

    Content is kept once: `upload` is null when it is known already. The upload is verified; other bytes are refused.
    """
    wanted = read_body(request, BlobWanted)
    blob, signed = blobs.announce(farm, wanted.size, wanted.sha256)
    upload = translate.upload(signed, request.absolute(signed.url) if signed else "")
    made = models.BlobAnnounced(id=str(blob.id), upload=upload)
    return answer(made, 201, {"Location": f"{API}/blobs/{blob.id}"})


def missing(farm: Farm, request: Request) -> Reply:
    """Ask which contents are not stored, up to 1,000 at once, and learn how to upload them.

    No blob is made: this is for the objects that a manifest lists. Each upload is verified; other bytes are refused.
    """
    wanted = read_body(request, ContentsWanted)
    found = blobs.missing(farm, [(content.size, content.sha256) for content in wanted.contents])
    listed = [_missing(request, size, sha256, signed) for size, sha256, signed in found]
    return answer(models.ContentsMissing(missing=listed))


def _missing(request: Request, size: int, sha256: str, signed: SignedRequest) -> models.ContentMissing:
    upload = models.Upload(method=signed.method, url=request.absolute(signed.url), headers=dict(signed.headers))
    return models.ContentMissing(size=size, sha256=sha256, upload=upload)


def show(farm: Farm, request: Request, blob_id: str) -> Reply:
    """One blob, without its content."""
    blob = blobs.get(farm, parse_id(blob_id, "blob"))
    return answer(translate.blob(blob, farm.objects.head(blob.object_key) is not None))


def content(farm: Farm, request: Request, blob_id: str) -> Reply:
    """The content of a blob, or where it is.

    A redirect leads to a signed URL: do not send credentials there.
    """
    blob = blobs.require_content(farm, blobs.get(farm, parse_id(blob_id, "blob")))
    delivery = current.settings().delivery
    if delivery == "stream":
        return stored_object(blob.object_key, BINARY, UNSNIFFED)
    if delivery == "redirect" and blob.size > THROUGH_LAMBDA_BYTES:
        return _elsewhere(farm, request, blob)
    data = farm.objects.get(blob.object_key)
    if data is None:
        raise ObjectMissing(f"the content of blob {blob.id} is gone")
    return Reply(200, data, BINARY, UNSNIFFED)


def _elsewhere(farm: Farm, request: Request, blob: Blob) -> Reply:
    signed = farm.objects.sign_download(blob.object_key, seconds=blobs.DOWNLOAD_SECONDS, content_type=BINARY)
    return Reply(307, headers={"Location": request.absolute(signed.url), "Cache-Control": "no-store"})


OPERATIONS = (
    Operation(
        "POST",
        "/blobs",
        announce,
        Scope.SUBMIT,
        201,
        models.BlobAnnounced,
        body=BlobWanted,
        headers={"Location": "The blob's path."},
    ),
    Operation("POST", "/blobs/missing", missing, Scope.SUBMIT, answer=models.ContentsMissing, body=ContentsWanted),
    Operation("GET", "/blobs/{id}", show, Scope.SUBMIT, answer=models.Blob),
    Operation(
        "GET",
        "/blobs/{id}/content",
        content,
        Scope.SUBMIT,
        media=BINARY,
        also={307: "The content is at `Location`."},
    ),
)
