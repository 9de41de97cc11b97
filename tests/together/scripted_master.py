"""A master of the transcode protocol as somebody else wrote it: takes its workers' calls, and calls them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests


class ScriptedMaster:
    """`calls`: (path with its query, body) of all that its workers said, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.knows_nobody = threading.Event()
        """While it is set, heartbeats are answered as those of an unknown worker."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def said(self, name: str) -> list[dict[str, Any]]:
        """The bodies of all calls of that name."""
        return [body for path, body in list(self.calls) if path.partition("?")[0] == f"/master/{name}"]

    def tell(self, name: str, **body: Any) -> Any:
        """Call the worker that registered last, as long as a master waits; its answer."""
        worker = self.said("register")[-1]
        url = f"http://{worker['worker_id']}:{worker['worker_port']}/worker/{name}"
        answer = requests.post(url, json={"type": 0, **body}, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The program's own words: it names no worker, and has one name for the error's number."""
        self.calls.append((path, body))
        if "heartbeat" in path and self.knows_nobody.is_set():
            return {"err_msg": "Failure", "type": 1, "err_code": -1}
        return {"err_msg": "OK", "type": 1, "err_code": 0}


def _handler(master: ScriptedMaster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(master.answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
