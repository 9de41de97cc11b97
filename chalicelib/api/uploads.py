"""Content too large for one request: begun, signed part by part, completed. The bytes go around this process."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core import uploads
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.ports import StoredPart
from ..edge.http import Reply, Request
from . import models, translate
from .answering import answer
from .models import Answer
from .operations import Operation
from .reading import read_body
from .wanted import Nothing, Sha256, Wanted

UploadId = Annotated[str, Field(min_length=1, max_length=1024, description="As it was begun.")]
Number = Annotated[int, Field(ge=1, le=uploads.MOST_PARTS, description="From 1.")]


class UploadBegun(Answer):
    """Part n is the n-th `part_bytes` bytes of the content; the last one has the rest."""

    upload: Annotated[str | None, Field(description="null: the content is known already, nothing is to be sent.")]
    part_bytes: int
    parts: int


class PartWanted(Wanted):
    number: Number
    sha256: Sha256


class PartsWanted(Wanted):
    """Which parts are about to be sent."""

    upload: UploadId
    parts: Annotated[list[PartWanted], Field(min_length=1, max_length=uploads.MOST_SIGNED)]


class PartsSigned(Answer):
    parts: Annotated[
        list[models.Upload], Field(description="A request for each, in their order; each holds for an hour.")
    ]


class PartSent(PartWanted):
    """A part that the store has taken."""

    etag: Annotated[
        str, Field(max_length=200, description="The `ETag` header that the store answered; empty if there was none.")
    ] = ""


class PartsSent(Wanted):
    """All parts, in order."""

    upload: UploadId
    parts: Annotated[list[PartSent], Field(min_length=1, max_length=uploads.MOST_PARTS)]


class UploadWanted(Wanted):
    """Which upload."""

    upload: UploadId


def begin(farm: Farm, request: Request, blob_id: str) -> Reply:
    """Begin to upload a blob's content in parts.

    For content above 5 GiB, which does not fit one request on AWS. Each part can be sent again on its own.
    """
    read_body(request, Nothing, may_be_empty=True)
    begun = uploads.begin(farm, parse_id(blob_id, "blob"))
    return answer(UploadBegun(**begun._asdict()), 201)


def sign(farm: Farm, request: Request, blob_id: str) -> Reply:
    """Have parts of an upload signed, up to 100 at once. Other bytes than announced are refused by the store."""
    number, wanted = parse_id(blob_id, "blob"), read_body(request, PartsWanted)
    found = uploads.sign(farm, number, wanted.upload, [(part.number, part.sha256) for part in wanted.parts])
    shown = [models.Upload(method=s.method, url=request.absolute(s.url), headers=dict(s.headers)) for s in found]
    return answer(PartsSigned(parts=shown))


def complete(farm: Farm, request: Request, blob_id: str) -> Reply:
    """Make the content of its parts.

    409: they do not make it; what is missing can be sent, and this called again. Once it is stored a repetition is
    answered the same.
    """
    number, wanted = parse_id(blob_id, "blob"), read_body(request, PartsSent)
    parts = [StoredPart(part.number, part.sha256, part.etag) for part in wanted.parts]
    return answer(translate.blob(uploads.complete(farm, number, wanted.upload, parts), stored=True))


def abort(farm: Farm, request: Request, blob_id: str) -> Reply:
    """Give an upload up. Its parts are forgotten; the blob stays without content."""
    number, wanted = parse_id(blob_id, "blob"), read_body(request, UploadWanted)
    uploads.abort(farm, number, wanted.upload)
    return Reply(204)


OPERATIONS = (
    Operation("POST", "/blobs/{id}/parts", begin, Scope.SUBMIT, 201, UploadBegun, body=Nothing),
    Operation("POST", "/blobs/{id}/parts/sign", sign, Scope.SUBMIT, answer=PartsSigned, body=PartsWanted),
    Operation(
        "POST",
        "/blobs/{id}/parts/complete",
        complete,
        Scope.SUBMIT,
        answer=models.Blob,
        body=PartsSent,
        problems=(409,),
    ),
    Operation("POST", "/blobs/{id}/parts/abort", abort, Scope.SUBMIT, 204, body=UploadWanted),
)
