"""The latest image: the page, the picture, and the news that there is another.

Workers send paths, not bytes. So the picture is there where the manager can read what the worker wrote
(`pictures.py`); everywhere else there is its path and a reason.
"""

from __future__ import annotations

from html import escape

from ...core import latest_image
from ...core.access import Scope
from ...core.errors import NotFound
from ...core.farm import Farm
from ...edge import current
from ...edge.http import Reply, Request
from . import access, pictures, translate

WATCH_SECONDS = 20.0
"""How long a watcher's call waits; its browser then calls again by itself."""
PICTURE = "latest-image.jpg"
NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def show(farm: Farm, request: Request) -> Reply:
    """The latest image and where it is; the page shows the next one as soon as there is one."""
    access.person(farm, request, Scope.SUBMIT)
    image = _latest(farm)
    worker = farm.workers.get(image.worker)
    name = worker.name if worker is not None else "a worker that is gone"
    page = f"""<!doctype html>
<title>Latest image</title>
<p>{escape(image.path)}</p>
<p>made by {escape(name)} at {translate.time_text(image.at)}</p>
<p><img src="{PICTURE}" alt="The manager cannot show it; {PICTURE} says why." style="max-width: 100%"></p>
<script>new EventSource("imagewatch").addEventListener("image", () => location.reload())</script>
"""
    return Reply(200, page.encode("utf-8", "replace"), "text/html; charset=utf-8", NOT_KEPT)


def picture(farm: Farm, request: Request) -> Reply:
    """The latest image as JPEG, or 404 with the reason."""
    access.person(farm, request, Scope.SUBMIT)
    jpeg = pictures.as_jpeg(_latest(farm).path, current.settings().image_folders)
    return Reply(200, jpeg, "image/jpeg", NOT_KEPT)


def watch(farm: Farm, request: Request) -> Reply:
    """Server-sent events: a greeting, then `image` for each new one.

    Every answer ends, for no answer can be sent in parts on Lambda: the first at once, those that follow when there is
    news or after 20 s. A browser's EventSource calls again by itself and sends the id of what it saw last, so that it
    misses nothing.
    """
    access.person(farm, request, Scope.SUBMIT)
    seen = request.headers.get("last-event-id", "")
    if not (seen.isascii() and seen.isdigit() and len(seen) <= 16):
        image = latest_image.latest(farm)
        return _events("notification", "hello there!", image.at if image is not None else 0)
    image = latest_image.newer(farm, int(seen), WATCH_SECONDS)
    return _events("image", PICTURE, image.at) if image is not None else _stream(": nothing new\n\n")


def _latest(farm: Farm) -> latest_image.Image:
    image = latest_image.latest(farm)
    if image is None:
        raise NotFound("no image was produced yet")
    return image


def _events(name: str, data: str, number: int) -> Reply:
    return _stream(f"retry: 500\nid: {number}\nevent: {name}\ndata: {data}\n\n")


def _stream(text: str) -> Reply:
    return Reply(200, text.encode(), "text/event-stream", NOT_KEPT)
