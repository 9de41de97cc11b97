"""Takes `add_task`, `get_task_info` and `cancel_task` from the master, and from nobody else.

HTTP 200 always, as the protocol has it; other statuses are for those who are not the master, or speak no HTTP of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from millrace.agent.observe import WARNING, say
from millrace.listener.conversions import Busy, Conversions
from millrace.listener.master import plain
from millrace.listener.wire import (
    FAILURE,
    INVALID_REQUEST,
    INVALID_VALUE,
    OK,
    BadTask,
    JsonObject,
    NewTask,
    envelope,
    task_id_of,
)

LARGEST_BODY_BYTES = 1_000_000
SLOWEST_SECONDS = 5.0


def answer_to(conversions: Conversions, path: str, body: JsonObject) -> JsonObject | None:
    """The reply to a call; None for a path that the protocol does not have."""
    if path == "/worker/add_task":
        return _add(conversions, body)
    if path == "/worker/get_task_info":
        status = conversions.status(task_id_of(body))
        return envelope(FAILURE) if status is None else envelope(OK, task=status.to_wire())
    if path == "/worker/cancel_task":
        return envelope(OK if conversions.cancel(task_id_of(body)) else FAILURE)
    return None


def _add(conversions: Conversions, body: JsonObject) -> JsonObject:
    try:
        conversions.add(NewTask.from_wire(body))
    except BadTask as error:
        say("refuse", f"A task was refused: {error}", level=WARNING)
        return envelope(INVALID_REQUEST)
    except Busy:
        return envelope(FAILURE)
    return envelope(OK)


class Listener(ThreadingHTTPServer):
    """Listens from the moment it is made; `serve_forever` answers. `may_call`: whether a call from there counts."""

    daemon_threads = True

    def __init__(self, host: str, port: int, conversions: Conversions, may_call: Callable[[str], bool]) -> None:
        self.conversions = conversions
        self.may_call = may_call
        super().__init__((host, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = SLOWEST_SECONDS
    server_version, sys_version = "Millrace", ""

    def do_POST(self) -> None:
        if not self.server.may_call(plain(str(self.client_address[0]))):
            say(
                "refuse", "A call came from somebody who is not the master.", level=WARNING, peer=self.client_address[0]
            )
            self.send_error(403, "only this worker's master may call it")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY_BYTES:
            self.send_error(413 if length.isdigit() else 411)
            return
        body = _json_object(self.rfile.read(int(length)))
        path = self.path.partition("?")[0]
        reply = envelope(INVALID_VALUE) if body is None else answer_to(self.server.conversions, path, body)
        if reply is None:
            self.send_error(404)
            return
        self._send(json.dumps(reply).encode())

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the calls of every second tell nobody anything."""


def _json_object(content: bytes) -> JsonObject | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
