"""What every room's requests and replies pass through: the remedies for Chalice's treatment of bytes and errors.

`install(app)` is called once, before rooms are registered: middleware is global, and the first is outermost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from chalice import Chalice, Response
from chalice.app import CaseInsensitiveMapping

from . import current, signed_objects
from .guard import make_guard
from .http import accept_of, keep_accept, response_of, rooms_of
from .json_text import compact_json
from .refusals import allow_header, refusal

GetResponse = Callable[[Any], Response]
Headers = dict[str, str | list[str]]


def install(app: Chalice, page: str | None = None) -> None:
    """Every content type is binary (else API Gateway decodes uploads as text); all replies are bytes.

    `page`: what browsers get at `/`: a module with `page`, made of the farm and the path of the request. Imported then.
    """
    app.api.binary_types = ["*/*"]
    app.middleware("http")(_wire(app))
    if not _has_our_server_in_front():
        app.middleware("http")(guarded)
    if _is_run_by_chalice_local():
        app.register_blueprint(signed_objects.blueprint)
    app.route("/", methods=["GET"], content_types=["*/*"])(_front_page(app, page))


def _wire(app: Chalice) -> Callable[[Any, GetResponse], Response]:
    def wire(event: Any, get_response: GetResponse) -> Response:
        """`event` is None when the request names no route; Chalice then answers by itself.

        With binary types `*/*` Chalice refuses requests that do not accept binary, so it is shown one that does.
        """
        if event is not None:
            keep_accept(event)
            event.headers = CaseInsensitiveMapping({**event.headers, "accept": "*/*"})
        response = get_response(event)
        if isinstance(response.body, dict) and "Code" in response.body:
            response = _in_our_words(app, event.path if event is not None else "", response)
        if isinstance(response.body, str):
            response.body = response.body.encode()
        return response

    return wire


def guarded(event: Any, get_response: GetResponse) -> Response:
    """The guard, where the app itself is the front door. No browser leaves the Host header out."""
    if event is None or "host" not in event.headers:
        return get_response(event)
    path = event.context.get("path") or event.path
    headers = {name.lower(): value for name, value in event.headers.items()}
    refused = make_guard(current.settings().auth)(event.method, path, headers, "")
    if refused is None:
        return get_response(event)
    status, body = refused
    return _json_response(status, refusal(path, status, "").content_type, body)


def _has_our_server_in_front() -> bool:
    """Its guard then knows how the farm was started. Lambda and the chalice command say by these that they run us."""
    return not {"AWS_LAMBDA_FUNCTION_NAME", "AWS_CHALICE_CLI_MODE"}.intersection(os.environ)


def _is_run_by_chalice_local() -> bool:
    """The chalice command loads the app for other purposes too, with the variables of the stage that it is about: one
    that has a table is packaged for AWS, where uploads go to the bucket."""
    return "AWS_CHALICE_CLI_MODE" in os.environ and not os.environ.get("MILLRACE_TABLE")


def _in_our_words(app: Chalice, pattern: str, response: Response) -> Response:
    """Chalice's own refusals (405, 415, 400) and failures (500), as the room of the path words them."""
    status, message = response.status_code, str(response.body.get("Message", ""))
    headers = {name: value for name, value in response.headers.items() if name.lower() != "content-type"}
    if status == 405:
        headers["Allow"] = allow_header(app.routes[pattern])
    room = rooms_of(app).get(pattern)
    if room is None:
        kind, body = refusal(pattern, status, message)
        return _json_response(status, kind, body, headers)
    worded = response_of(room.refuse(status, message))
    worded.headers = {**headers, **worded.headers}
    return worded


def _json_response(status: int, content_type: str, body: Any, headers: Headers | None = None) -> Response:
    return Response(compact_json(body), {**(headers or {}), "Content-Type": content_type}, status)


def _front_page(app: Chalice, page: str | None) -> Callable[[], Response]:
    def front_page() -> Response:
        """Programs ask whether a farm is here; a person's browser names text/html."""
        request: Any = app.current_request
        if page is not None and "text/html" in accept_of(request).lower():
            return response_of(import_module(page).page(current.farm(), request.context.get("path") or "/"))
        return _json_response(200, "application/json", {"message": "Millrace"}, {"Vary": "Accept"})

    return front_page
