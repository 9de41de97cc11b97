"""`GET /install`, and the files that its lines fetch: script, wheel, and what the wheel needs, by hash.

Reachable without a token: a machine that is to join has none yet, and nothing here is a secret. The farm's URL in all
of it is the one that the caller used.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from ..core.errors import BadInput, NotFound
from ..core.farm import Farm
from ..dashboard import files
from ..edge import current
from ..edge.http import Reply, Request, Room, json_reply, mount
from ..edge.refusals import NO_INTERFACE, refusal
from . import page, served

PATH = "/install"
HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
TEXT = "text/plain; charset=utf-8"
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]{1,253}(/[A-Za-z0-9._/-]*)?")


def show(farm: Farm, request: Request) -> Reply:
    url, found, closed = _farm_url(request), _found(), current.settings().auth == "token"
    if "text/html" not in request.headers.get("accept", "").lower():
        text = page.as_text(url, found.wheel.version, closed=closed)
        return Reply(200, text.encode(), TEXT, {**HEADERS, "Vary": "Accept"})
    html = page.as_html(url, found.wheel.version, f"{url}/ui/{files.version()}/style.css", closed=closed)
    headers = {**HEADERS, "Vary": "Accept", "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
    return Reply(200, html.encode(), "text/html; charset=utf-8", headers)


def file(farm: Farm, request: Request, name: str) -> Reply:
    url, found = _farm_url(request), _found()
    if name == found.wheel.name:
        return Reply(200, found.wheel.data, "application/octet-stream", {**HEADERS, "ETag": f'"{found.wheel.sha256}"'})
    if name == "install.py":
        return Reply(200, _script(url, found).encode(), "text/x-python; charset=utf-8", HEADERS)
    if name == served.LOCK:
        return Reply(200, found.lock.encode(), TEXT, HEADERS)
    if name == "requirements.txt":
        itself = f"millrace @ {url}{PATH}/{found.wheel.name} --hash=sha256:{found.wheel.sha256}\n"
        return Reply(200, (found.lock + itself).encode(), TEXT, HEADERS)
    raise NotFound(NO_INTERFACE)


def _found() -> served.Served:
    return served.found(current.settings().worker_wheel)


def _farm_url(request: Request) -> str:
    """As the caller knows it, a stage of API Gateway included. It is put into commands and a script, so that only what
    means nothing to a shell or to Python is taken from a Host header."""
    url = request.base_url + request.path.partition(PATH)[0]
    if not _PLAIN_URL.fullmatch(url):
        raise BadInput("the Host header is not the name of a host")
    return url


def _script(url: str, found: served.Served) -> str:
    values = {"@FARM@": url, "@WHEEL@": found.wheel.name, "@SHA256@": found.wheel.sha256}
    text = _template()
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


@cache
def _template() -> str:
    return Path(__file__).with_name("script.py").read_text()


def on_error(request: Request, error: Exception) -> Reply:
    if isinstance(error, NotFound | BadInput):
        return refuse(404 if isinstance(error, NotFound) else 400, error.message)
    raise error  # the middleware answers 500


def refuse(status: int, message: str) -> Reply:
    return json_reply(refusal("", status, message).body, status)


blueprint = Room(__name__, refuse)

mount(blueprint, ["GET"], PATH, show, on_error)
mount(blueprint, ["GET"], PATH + "/{id}", file, on_error)
