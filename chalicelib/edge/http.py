"""Requests and replies as values, and `mount`, which hangs a view into a room.

A view is a function `(farm, request, *path variables) -> Reply`. What it raises is translated by its room's `on_error`
into the room's own envelope. Chalice is touched nowhere else: no `json_body`, no content-type matching, no CORS.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, BinaryIO
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from chalice import Blueprint, Chalice, Response

from ..core.farm import Farm
from . import current
from .json_text import compact_json
from .refusals import NO_INTERFACE

NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Spool:
    """A body that the embedded server has written to a temporary file, too large to be passed around."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """As sent, without query and stage."""
    headers: Mapping[str, str]
    """Lower-case names."""
    query: Mapping[str, str]
    """Of repeated names the last."""
    body: bytes
    spool: Spool | None
    peer: str
    """The address of the connection (or what our own front door vouches for), never a header of the client's."""
    repeated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """All values of each name of the query."""

    @property
    def base_url(self) -> str:
        """Scheme and host as the client knows them, for completing path-absolute URLs."""
        scheme = "https" if self.headers.get("x-forwarded-proto") == "https" else "http"
        return f"{scheme}://{self.headers.get('host', 'localhost')}"

    def absolute(self, url: str) -> str:
        return self.base_url + url if url.startswith("/") else url

    def basic(self) -> tuple[str, str] | None:
        """User and password of HTTP Basic, if there are any that can be read."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except ValueError:
            return None
        return (user, password) if colon else None

    def bearer(self) -> str | None:
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" and value.strip() else None

    def open_body(self) -> BinaryIO:
        """The body as a stream, from memory or from the spool file."""
        if self.spool is not None:
            return open(self.spool.path, "rb")
        return io.BytesIO(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """Exactly `application/json`: there are clients that compare the header as a whole."""
    return Reply(status, compact_json(value), "application/json", headers)


def stored_object(key: str, content_type: str, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """The embedded server streams this object's file in place of a body."""
    return Reply(200, b"", content_type, {**headers, "X-Millrace-Object": key})


View = Callable[..., Reply]
OnError = Callable[[Request, Exception], Reply]
Refuse = Callable[[int, str], Reply]
"""(status, what is wrong) -> how that looks in one protocol; the reply may have another status."""


class Room(Blueprint):
    """One protocol's routes, and its words for what none of its views sees.

    `refuse` is asked for 404 (a path below one of the room's own that names nothing), 405 (a method that a path does
    not know; whoever asks adds `Allow`, unless the reply has it) and what a server refuses or fails at by itself (413,
    500, 502, 507). `slash_status`: a call with a slash too many is sent to the path without it; None: it is 404.
    """

    def __init__(self, import_name: str, refuse: Refuse, slash_status: int | None = None) -> None:
        super().__init__(import_name)
        self.refuse = refuse
        self.slash_status = slash_status

    def without_slash(self, request: Request) -> Reply:
        if self.slash_status is None:
            return self.refuse(404, NO_INTERFACE)
        query = f"?{urlencode(request.query)}" if request.query else ""
        return Reply(self.slash_status, b"", None, {"Location": request.path[:-1] + query})


def later(package: str, name: str) -> View:
    """The view `module.function` of this package, imported when it is first called."""
    module, _, function = name.partition(".")

    def view(farm: Farm, request: Request, *variables: str) -> Reply:
        reply: Reply = getattr(import_module(f"{package}.{module}"), function)(farm, request, *variables)
        return reply

    view.__module__, view.__name__ = f"{package}.{module}", function
    return view


_rooms: WeakKeyDictionary[Chalice, dict[str, Room]] = WeakKeyDictionary()


def rooms_of(app: Chalice) -> dict[str, Room]:
    """Whose each of the app's paths is, by pattern. What is not there is the farm's own."""
    return _rooms.setdefault(app, {})


def mount(room: Room, methods: list[str], path: str, view: View, on_error: OnError) -> None:
    """Register the view. Path variables are passed by position, percent-decoding is the view's business."""

    def register(app: Chalice, options: Any) -> None:
        handler = _handler(app, room, view, on_error)
        handler.__name__ = _name(view, methods, path)
        app.route(path, methods=methods, content_types=["*/*"])(handler)
        rooms_of(app).setdefault(path, room)

    # Not `blueprint.route`: Chalice 1.34 forgets a route's methods when it registers it, and a blueprint knows only the
    # app that took it last, so that two apps in one process (the tests') could not share a room.
    room._deferred_registrations.append(register)


def _handler(app: Chalice, room: Room, view: View, on_error: OnError) -> Callable[..., Response]:
    def handler(**variables: str) -> Response:
        request = _request(app.current_request)
        if request.path.endswith("/"):  # no path of a room does; API Gateway and `chalice local` overlook it
            return response_of(room.without_slash(request))
        try:
            reply = view(current.farm(), request, *variables.values())
        except Exception as error:
            reply = on_error(request, error)
        return response_of(reply)

    return handler


def _name(view: View, methods: list[str], path: str) -> str:
    text = "_".join([view.__module__, view.__name__, *methods, path.strip("/")])
    return "".join(c if c.isalnum() else "_" for c in text)


def keep_accept(raw: Any) -> None:
    """Remember what the client accepts; the middleware shows Chalice something else."""
    raw.accept_as_sent = raw.headers.get("accept", "")


def accept_of(raw: Any) -> str:
    return str(getattr(raw, "accept_as_sent", raw.headers.get("accept", "")))


def _request(raw: Any) -> Request:
    context = raw.context
    spool = context.get("spool")
    query = raw.query_params
    repeated = {name: query.getlist(name) for name in query} if query else {}
    return Request(
        method=raw.method,
        path=context.get("path") or raw.path,
        headers={**{name.lower(): value for name, value in raw.headers.items()}, "accept": accept_of(raw)},
        query={name: values[-1] for name, values in repeated.items()},
        body=raw.raw_body or b"",
        spool=Spool(**spool) if spool else None,
        peer=context.get("identity", {}).get("sourceIp", ""),
        repeated=repeated,
    )


def response_of(reply: Reply) -> Response:
    headers: dict[str, str | list[str]] = dict(reply.headers)
    if reply.content_type is not None:
        headers["Content-Type"] = reply.content_type
    return Response(body=reply.body, status_code=reply.status, headers=headers)
