"""`/ui/VERSION/NAME`: the page's files. The page itself is at `/` (`edge/middleware.py`)."""

from __future__ import annotations

from ..core.errors import NotFound
from ..core.farm import Farm
from ..edge.http import Reply, Request, Room, json_reply, mount
from ..edge.refusals import NO_INTERFACE, refusal
from . import files

FOR_GOOD = "public, max-age=31536000, immutable"


def serve(farm: Farm, request: Request, version: str, name: str) -> Reply:
    """Whoever has a page of another release gets today's file, and is told to keep none of it."""
    file = files.found().get(name)
    if file is None:
        raise NotFound(NO_INTERFACE)
    headers = {
        "Cache-Control": FOR_GOOD if version == files.version() else "no-cache",
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Reply(304, b"", file.content_type, headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Reply(200, file.compressed, file.content_type, {**headers, "Content-Encoding": "gzip"})
    return Reply(200, file.data, file.content_type, headers)


def on_error(request: Request, error: Exception) -> Reply:
    if isinstance(error, NotFound):
        return refuse(404, error.message)
    raise error  # the middleware answers 500


def refuse(status: int, message: str) -> Reply:
    return json_reply(refusal("", status, message).body, status)


blueprint = Room(__name__, refuse)

mount(blueprint, ["GET"], "/ui/{id}/{name}", serve, on_error)
