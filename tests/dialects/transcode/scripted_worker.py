"""A foreign worker as it behaves on the wire. It converts nothing: the test says what becomes of its tasks."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ScriptedWorker:
    """`tasks`: what it was given and has not ended, by id. `calls`: (path, body) of all it was asked, in order."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.given: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answer_with: dict[str, Any] | None = None
        """Instead of a sensible answer, to every call."""
        self.status = 200
        self.location: str | None = None
        self.silent = threading.Event()
        """While it is set, calls are taken and not answered."""
        self._spoken = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]

    def becomes(self, task_id: str, state: int, result: int = 0, progress: float = 0) -> None:
        self.tasks[task_id] = {"id": task_id, "state": state, "result": result, "progress": progress}

    def stop(self) -> None:
        self._spoken.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((path, body))
        if self.silent.is_set():
            self._spoken.wait(5)
        if self.answer_with is not None:
            return self.answer_with
        if path == "/worker/add_task":
            self.given.append(body)
            self.becomes(body["task"]["id"], 2)
        elif body["task_id"] not in self.tasks:
            return {"type": 1, "error_code": -1}
        elif path == "/worker/get_task_info":
            return {"type": 1, "error_code": 0, "task": self.tasks[body["task_id"]]}
        elif path == "/worker/cancel_task":
            self.tasks.pop(body["task_id"], None)
        return {"type": 1, "error_code": 0}


def _handler(worker: ScriptedWorker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(worker.answer(self.path, body)).encode()
            self.send_response(worker.status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            if worker.location is not None:
                self.send_header("Location", worker.location)
            self.end_headers()
            with suppress(ConnectionError):  # who waited has given up
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
