"""The door of `DynamoService`: HTTP on loopback, for boto3 as it is. A broken connection is a broken connection."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.engines.dynamo_service import DynamoService, Failed, NoAnswer

REGION = "eu-central-1"
TABLE = "farm"


class Door(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, service: DynamoService, handler: type[Handler] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler or Handler)
        self.service = service

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers die; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def environment(url: str) -> dict[str, str]:
    """What makes boto3 go there."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
    return {**keys, "AWS_ENDPOINT_URL_DYNAMODB": url, "NO_PROXY": "127.0.0.1"}


@contextmanager
def opened(service: DynamoService) -> Iterator[Door]:
    door = Door(service)
    threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield door
    finally:
        door.shutdown()
        door.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Door

    def do_POST(self) -> None:
        request = self.body()
        action = self.headers["X-Amz-Target"].rpartition(".")[2]
        try:
            self.say(200, self.server.service.answer(action, request))
        except Failed as failure:
            self.say(failure.status, failure.body)
        except NoAnswer:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def body(self) -> Any:
        length = int(self.headers["Content-Length"])
        text = self.rfile.read(length)
        if len(text) < length:
            raise ConnectionResetError("the caller died over its request")
        return json.loads(text)

    def say(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Thousands of lines."""
