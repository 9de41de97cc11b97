"""`PUT /objects/...`: the folder engine's signed uploads, where no server of ours stands in front (`chalice local`).

The embedded server answers these paths itself, streaming from the socket to the disk; here the whole body is in memory.
On AWS the bytes go to the bucket, and there is nothing at these paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from ..core.errors import BadInput, FarmError, Forbidden, NotFound
from ..core.farm import Farm
from ..core.ports import ObjectMismatch
from .http import Reply, Request, Room, json_reply, mount
from .refusals import NO_INTERFACE, refusal

PATHS = ("/objects/blobs/{id}", "/objects/parts/{id}/{generation}", "/objects/logs/{id}/{generation}/{offset}")


class Grant(Protocol):
    """What a signed URL allows."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    @property
    def sha256(self) -> str | None: ...


@runtime_checkable
class SigningStore(Protocol):
    """An object store that signs for itself."""

    def verify(self, method: str, key: str, query: Mapping[str, str], now: int) -> Grant:
        """What the URL allows; raises Forbidden if the signature is not ours or too old."""
        ...


def put(farm: Farm, request: Request, *variables: str) -> Reply:
    """Store exactly what was signed, or nothing. Asks for no credentials but the signature."""
    if not isinstance(farm.objects, SigningStore):
        raise NotFound(NO_INTERFACE)
    key = request.path.partition("/objects/")[2]
    grant = farm.objects.verify("PUT", key, request.query, farm.clock.now())
    if grant.size is None or grant.sha256 is None:
        raise Forbidden("this URL does not say what may be uploaded")
    with request.open_body() as body:
        farm.objects.put_stream(grant.key, body, size=grant.size, sha256=grant.sha256)
    return json_reply({"code": 0, "status": "ok"})


def on_error(request: Request, error: Exception) -> Reply:
    for kind, status in ((Forbidden, 403), (NotFound, 404), (ObjectMismatch, 400), (BadInput, 400), (FarmError, 503)):
        if isinstance(error, kind):
            return refuse(status, str(error))
    raise error  # the middleware answers 500


def refuse(status: int, message: str) -> Reply:
    return json_reply(refusal("", status, message).body, status)


blueprint = Room(__name__, refuse)

for path in PATHS:
    mount(blueprint, ["PUT"], path, put, on_error)
