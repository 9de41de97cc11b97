"""A real server on a free port around a small Chalice app, and sockets to talk to it."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice, ChaliceUnhandledError, Response

from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.files import FileObjectStore
from tests.store_objects.conftest import StillClock

ANY = ["*/*"]


class Gate:
    """Lets a test hold a view and let it go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def objects(tmp_path: Path, clock: StillClock) -> FileObjectStore:
    return FileObjectStore(tmp_path / "objects", b"a secret", clock=clock)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(gate: Gate, objects: FileObjectStore) -> Chalice:
    """Views that show what a view gets, and answer what a view may answer."""
    app = Chalice("embedded-test")
    app.api.binary_types = ["application/octet-stream"]
    _add_plain_views(app)
    _add_odd_views(app, gate)
    _add_body_views(app, objects)
    return app


def _add_plain_views(app: Chalice) -> None:
    @app.route("/")
    def root() -> dict[str, str]:
        return {"message": "hello"}

    @app.route("/worker", methods=["POST"], content_types=ANY)
    def register() -> dict[str, str]:
        return {"id": "1"}

    @app.route("/worker/{id}/contract", methods=["GET", "HEAD", "POST"], content_types=ANY)
    def contract(id: str) -> dict[str, Any]:  # noqa: A002
        request = app.current_request
        return {
            "id": id,
            "method": request.method,
            "query": {name: request.query_params.getlist(name) for name in request.query_params or {}},
            "peer": request.context["identity"]["sourceIp"],
            "path": request.context["path"],
            "accept": request.headers.get("accept"),
        }

    @app.route("/who/{name}")
    def who(name: str) -> Response:
        thread = threading.get_ident()
        return Response(json.dumps([app.current_request.uri_params["name"], name, thread]))


def _add_odd_views(app: Chalice, gate: Gate) -> None:
    @app.route("/nothing", methods=["GET", "POST", "DELETE"], content_types=ANY)
    def nothing() -> Response:
        return Response("", status_code=204)

    @app.route("/none")
    def none() -> Response:
        return Response(None, status_code=204)

    @app.route("/boom")
    def boom() -> None:
        raise ChaliceUnhandledError("boom")

    @app.middleware("http")
    def let_through(event: Any, get_response: Any) -> Any:
        if event.path == "/crash":
            raise KeyError("no view sees this")
        return get_response(event)

    @app.route("/crash")
    def crash() -> None:
        return None

    @app.route("/text-as-binary")
    def text_as_binary() -> Response:
        return Response("text", headers={"Content-Type": "application/octet-stream"})

    @app.route("/bad-header")
    def bad_header() -> Response:
        return Response("x", headers={"X-Bad": "a\rSet-Cookie: b=c"})

    @app.route("/cookies")
    def cookies() -> Response:
        return Response("{}", headers={"Set-Cookie": ["a=1", "b=2"], "content-type": "text/x", "Content-Length": "999"})  # type: ignore[dict-item]

    @app.route("/wait")
    def wait() -> dict[str, bool]:
        gate.entered.set()
        return {"opened": gate.opened.wait(20)}


def _add_body_views(app: Chalice, objects: FileObjectStore) -> None:
    @app.route("/echo", methods=["POST", "PUT"], content_types=ANY)
    def echo() -> Response:
        body = app.current_request.raw_body
        return Response(body, headers={"Content-Type": "application/octet-stream"})

    @app.route("/spooled", methods=["POST"], content_types=ANY)
    def spooled() -> dict[str, Any]:
        spool = app.current_request.context.get("spool")
        size_on_disk = os.path.getsize(spool["path"]) if spool else None
        return {"inline": len(app.current_request.raw_body), "spool": spool, "size_on_disk": size_on_disk}

    @app.route("/adopt", methods=["POST"], content_types=ANY)
    def adopt() -> dict[str, str]:
        spool = app.current_request.context["spool"]
        objects.adopt(Path(spool["path"]), "blobs/adopted", size=spool["size"], sha256=spool["sha256"])
        return {"key": "blobs/adopted"}

    @app.route("/blob/{name}", methods=["GET", "HEAD"])
    def blob(name: str) -> Response:
        return Response("", headers={"X-Millrace-Object": f"blobs/{name}", "Content-Type": "video/mp4"})


@pytest.fixture
def server(app: Chalice, objects: FileObjectStore, clock: StillClock) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(app, objects, clock=clock)
    server.start()
    yield server
    server.stop(seconds=2)


class Wire:
    """A plain connection, for what no HTTP library would send."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, body as Content-Length says."""
        status_line = self._file.readline()
        assert status_line.startswith(b"HTTP/1.1 "), status_line
        headers = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        return int(status_line.split()[1]), headers, self._file.read(length) if has_body else b""

    def is_closed(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture
def wire(server: EmbeddedServer) -> Iterator[Wire]:
    wire = Wire(server.port)
    yield wire
    wire.close()
