"""Stands between everybody and the server: writes down every exchange, and loses, doubles and delays some.

A request may be cut before it reaches the server, or its answer after the server has acted, or in the middle; it may
arrive twice, at once or late and behind others; it, or its answer, may be slow; and what goes to the bucket may be
answered with 500 or 503, as S3 does. Each connection of ours to the server carries one request.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.history import Exchange, Json
from tests.chaos.hosts import HOSTS

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
PIECES = 8
SECONDS = 40.0
"""Longer than any call waits."""


@dataclass(frozen=True)
class Weather:
    """How often what happens, each from 0 to 1."""

    cut_before: float = 0.0
    cut_after: float = 0.0
    doubled: float = 0.0
    """The server gets it twice at once."""
    straggler: float = 0.0
    """The server gets it again, up to two seconds later."""
    delayed: float = 0.0
    bucket_fails: float = 0.0
    """The object store says 500 or 503, having done nothing."""
    slow_body: float = 0.0
    half_body: float = 0.0
    """The answer breaks off in the middle."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    pause: float = 0.0
    """Seconds, many times, between pieces of the body."""
    breaks: bool = False


class Proxy:
    def __init__(self, server_url: str, choice: random.Random) -> None:
        self.history: list[Exchange] = []
        self.weather = Weather()
        self._upstream = urlsplit(server_url).netloc
        self._choice = choice
        self._lock = threading.Lock()
        self._stragglers: list[threading.Thread] = []
        self._server = _Listener(("", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """On all addresses: some workers come from hosts of their own."""
        return self._server.server_port

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Nothing is forwarded after this has returned."""
        self._server.shutdown()
        self._server.server_close()
        self.settle()

    def settle(self) -> None:
        """Wait for what is still to arrive late; with fine weather nothing more does."""
        for straggler in self._stragglers:
            straggler.join()

    # ---- one request

    def pass_on(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer | None:
        """None: the client's connection is to be cut."""
        with self._lock:
            draw = {name: self._choice.random() < rate for name, rate in vars(self.weather).items()}
            pause = self._choice.uniform(0.05, 2.0)
            failure = self._choice.choice([500, 503])
        if draw["delayed"]:
            time.sleep(pause / 2)
        if draw["cut_before"]:
            return None
        if draw["straggler"]:
            late = threading.Thread(target=self._send_late, args=(pause, method, path, headers, body))
            self._stragglers.append(late)
            late.start()
        if draw["doubled"]:
            self._send(method, path, headers, body, delivered=False)
        if draw["bucket_fails"] and path.startswith("/objects/"):
            return Answer(failure, [("Content-Type", "application/xml")], b"<Error><Code>SlowDown</Code></Error>")
        if draw["half_body"]:
            answer = self._send(method, path, headers, body, delivered=False)
            return None if answer is None else replace(answer, breaks=True)
        answer = self._send(method, path, headers, body, delivered=not draw["cut_after"])
        if answer is None or draw["cut_after"]:
            return None
        return replace(answer, pause=pause / 10) if draw["slow_body"] else answer

    def _send_late(self, pause: float, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> None:
        time.sleep(pause)
        self._send(method, path, headers, body, delivered=False)

    def _send(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes, *, delivered: bool
    ) -> Answer | None:
        """The answer, if there was one; the history is to say whether it is `delivered`."""
        forwarded_at = time.monotonic()
        answer = self._ask(method, path, headers, body)
        answered_at = None if answer is None else time.monotonic()
        said = None if answer is None else _json(answer.body)
        status = None if answer is None else answer.status
        exchange = Exchange(method, path, _json(body), forwarded_at, answered_at, status, said, delivered)
        with self._lock:
            self.history.append(exchange)
        return answer

    def _ask(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer | None:
        connection = http.client.HTTPConnection(self._upstream, timeout=SECONDS)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def _json(data: bytes) -> Json:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def is_ours(address: str) -> bool:
    """Whether this machine is calling, or a host that it made for a worker."""
    return ip_address(address) in HOSTS or ip_address(address).is_loopback


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """It listens on all addresses, and the farm behind it takes every caller for one on this machine: a stranger on
        the network could run programs here."""
        return is_ours(client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


def _handler_of(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError):
                super().handle_one_request()

        def pass_on(self) -> None:
            headers = [(name, value) for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP]
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = proxy.pass_on(self.command, self.path, headers, body)
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if answer.breaks:
                self.wfile.write(answer.body[: len(answer.body) // 2])
                self.close_connection = True
                return
            pieces = PIECES if answer.pause else 1
            step = len(answer.body) // pieces + 1
            for start in range(0, len(answer.body), step):
                time.sleep(answer.pause)
                self.wfile.write(answer.body[start : start + step])
                self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, format: str, *args: Any) -> None: ...

    return Handler
