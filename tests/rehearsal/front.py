"""Stands where CloudFront stands: the deployed API at the root of a URL.

ministack has API Gateway at /restapis/<id>/<stage>/_user_request_; its CloudFront is there in name only. It also
overlooks that all types are binary, which stands in the API's definition: so what is no text is decoded here.
"""

from __future__ import annotations

import base64
import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.engines.ministack import Ministack

LOOK_AGAIN_SECONDS = 2.0
CALL_SECONDS = 60.0
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Front:
    """Forwards to the newest API of this name."""

    def __init__(self, ministack: Ministack) -> None:
        self._gateway = ministack.client("apigateway")
        self._address = urlsplit(ministack.url)
        self._lock = threading.Lock()
        self._looked_at, self._prefix = 0.0, ""
        handler = type("Forwarding", (Handler,), {"front": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="front", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def prefix(self) -> str:
        """An update may give the API another id."""
        with self._lock:
            if time.monotonic() - self._looked_at > LOOK_AGAIN_SECONDS:
                found = self._gateway.get_rest_apis()["items"]
                self._prefix = f"/restapis/{found[-1]['id']}/api/_user_request_" if found else ""
                self._looked_at = time.monotonic()
            return self._prefix

    def call(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=CALL_SECONDS)
        try:
            connection.request(method, self.prefix() + path, body, headers)
            answer = connection.getresponse()
            body = answer.read()
            kind = answer.getheader("Content-Type") or ""
            return answer.status, answer.getheaders(), body if "json" in kind or "text/" in kind else decoded(body)
        finally:
            connection.close()


def decoded(body: bytes) -> bytes:
    return base64.b64decode(body, validate=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        sent.setdefault("Accept", "*/*")  # as our function at CloudFront does
        status, headers, answer = self.front.call(self.command, self.path, sent, body)
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = forward

    def log_message(self, format: str, *args: Any) -> None:
        pass
