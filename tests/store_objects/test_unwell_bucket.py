"""A bucket that answers 500 and 503, breaks off, or stands still: botocore's real client against a real socket."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config

from chalicelib.core.errors import Unavailable
from chalicelib.store.s3 import S3ObjectStore, client_config

CONTENT = b"frame" * 20_000
ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>no</Message></Error>"


class UnwellBucket(ThreadingHTTPServer):
    """Keeps what it has acknowledged; `ills` are worked through, one for each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.ills: list[str] = []
        self.requests = 0
        self.released = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnwellBucket

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ill = self._ill()
        if ill != "refuses":
            self.server.objects[self.path] = body
        if ill in ("503", "500", "refuses"):
            return self._error(ill)
        if ill == "takes and falls silent":
            self.close_connection = True
            return None
        return self._answer(200, b"")

    def do_GET(self) -> None:
        ill = self._ill()
        if ill in ("503", "500"):
            return self._error(ill)
        content = self.server.objects[self.path]
        if ill is None:
            return self._answer(200, content)
        self._head(200, len(content))
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        if ill == "stands still":
            self.server.released.wait(30)
        self.close_connection = True
        return None

    def _ill(self) -> str | None:
        self.server.requests += 1
        return self.server.ills.pop(0) if self.server.ills else None

    def _error(self, ill: str) -> None:
        code = {"500": b"InternalError", "503": b"SlowDown", "refuses": b"SlowDown"}[ill]
        self._answer(503 if ill != "500" else 500, ERROR % code)

    def _answer(self, status: int, body: bytes) -> None:
        self._head(status, len(body))
        self.wfile.write(body)

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def unwell() -> Iterator[UnwellBucket]:
    server = UnwellBucket()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def store(unwell: UnwellBucket) -> Iterator[S3ObjectStore]:
    """As bootstrap makes it, but with path addresses and less patience for silence."""
    config = client_config().merge(Config(s3={"addressing_style": "path"}, read_timeout=2))
    url = f"http://127.0.0.1:{unwell.server_port}"
    client = boto3.client("s3", endpoint_url=url, region_name="eu-central-1", config=config)
    yield S3ObjectStore(client, "farm")
    client.close()


@pytest.mark.parametrize("ill", ["500", "503", "refuses", "takes and falls silent"])
def test_a_passing_trouble_is_got_over(unwell: UnwellBucket, store: S3ObjectStore, ill: str) -> None:
    unwell.ills = [ill]
    store.put("logs/1", CONTENT)
    assert unwell.requests == 2
    unwell.ills = ["503" if ill == "refuses" or ill.startswith("takes") else ill]
    assert store.get("logs/1") == CONTENT


@pytest.mark.parametrize("ill", ["500", "refuses"])
def test_a_lasting_trouble_is_unavailable_and_acknowledges_nothing(
    unwell: UnwellBucket, store: S3ObjectStore, ill: str
) -> None:
    unwell.ills = [ill] * 20
    with pytest.raises(Unavailable, match="InternalError|SlowDown"):
        store.put("logs/1", CONTENT)
    with pytest.raises(Unavailable, match="InternalError|SlowDown"):
        store.put_stream("logs/2", io.BytesIO(CONTENT), size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    assert unwell.requests == 8, "four times each, then the caller hears of it"


@pytest.mark.parametrize("ill", ["breaks off", "stands still"])
def test_half_a_body_is_never_taken_for_the_whole(unwell: UnwellBucket, store: S3ObjectStore, ill: str) -> None:
    store.put("logs/1", CONTENT)
    unwell.ills = [ill]
    started = time.monotonic()
    with pytest.raises(Unavailable, match="broke off"):
        store.get("logs/1")
    assert time.monotonic() - started < 20
    assert store.get("logs/1") == CONTENT
