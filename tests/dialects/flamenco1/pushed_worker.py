"""A worker of the push generation, as its own HTTP server behaves on the wire. It runs nothing: the test says when
and how its program ends."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl


class PushedWorker:
    """`given`: the forms of the tasks that it took. `calls`: all it was asked, in order."""

    def __init__(self, *, kill_needs_pid: bool = False, refusal: int = 0) -> None:
        self.given: list[dict[str, str]] = []
        self.calls: list[str] = []
        self.busy = False
        self.log = ""
        self.info: str | None = None
        """Said instead of what is true."""
        self.kill_needs_pid = kill_needs_pid
        self.refusal = refusal
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> tuple[int, str]:
        self.calls.append(f"{method} {path}")
        if (method, path) == ("GET", "/info"):
            return 200, self.info or json.dumps(self._info())
        if (method, path) == ("GET", "/run_info"):
            return 200, json.dumps({"hostname": "node7", "mac_address": 97802341123, "system": "Linux 5.15"})
        if (method, path) == ("GET", "/pid"):
            return (200, '{"pid": 77}') if self.busy else (500, "<html>")
        if (method, path) == ("POST", "/execute_task"):
            return self._execute(dict(parse_qsl(body.decode())))
        if method == "DELETE" and path == ("/kill/77" if self.kill_needs_pid else "/kill"):
            self.busy = False
            return 204, ""
        return 404, "<html>"

    def _info(self) -> dict[str, Any]:
        status = "rendering" if self.busy else "enabled"
        activity = '{"process": "rendering"}' if self.busy else None
        described = {"hostname": "node7", "mac_address": 1, "system": "Linux 5.15", "time_cost": 7}
        return {**described, "activity": activity, "log": self.log or None, "status": status}

    def _execute(self, form: dict[str, str]) -> tuple[int, str]:
        if self.refusal:
            return self.refusal, "{}"
        if self.busy:
            return 500, "{error:Processus failed}"
        if set(form) != {"task_id", "task_parser", "settings", "task_command"}:
            return 400, '{"message": "missing"}'
        self.busy = True
        self.given.append(form)
        return 200, '{"pid": 0}'


class RecordedWorker(PushedWorker):
    """Answers the recorded calls, in their order, with the recorded answers. `asked`: what came, as it is recorded."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        super().__init__()
        self._left = calls
        self.asked: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> tuple[int, str]:
        sent = {"headers": {"Content-Type": content_type}, "body": body.decode()} if body else {}
        self.asked.append({"method": method, "path": path, **sent})
        if not self._left or self._left[0]["request"] != self.asked[-1]:
            return 404, "this is not what was recorded"
        answer = self._left.pop(0)["response"]
        return answer["status"], json.dumps(answer["json"]) if "json" in answer else answer.get("body", "")


def _handler(worker: PushedWorker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, text = worker.answer(self.command, self.path, self.headers.get("Content-Type", ""), body)
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode() if status != 204 else b"")

        do_GET = do_POST = do_DELETE = _any

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
