"""A small manager that speaks docs/native-protocol.md, for the agent to run against.

It answers with the recorded exchanges of tests/contract/native, holds every request against the recorded ones
(`complaints`), and can be told to be away, to lose answers, to cancel and to take leases back. State outlives
`go_away`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.ports import free_port
from tests.worker.recordings import answer_like, difference, recorded

Answer = tuple[int, dict[str, Any]]
REQUESTS = {
    "sign-on": "sign_on",
    "sign-off": "sign_off",
    "contract": "contract_report",
    "renew": "renew",
    "log": "log",
    "status": "status",
}


class Manager:
    """What the farm knows. Everything is public: tests look and change things under `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.port = free_port()
        self.lease_seconds = 120.0
        self.poll_seconds = 0.05
        self.token: str | None = None
        self.secrets: dict[str, str] = {}
        self.queued: list[dict[str, Any]] = []
        self.active: dict[str, dict[str, Any]] = {}
        self.granted_at: dict[str, float] = {}
        """When a task was last given, or its lease renewed (`time.time`)."""
        self.outcomes: dict[tuple[str, int], dict[str, Any]] = {}
        self.claims: dict[str, list[dict[str, Any]]] = {}
        self.doubled: list[tuple[str, int]] = []
        self.to_cancel: set[str] = set()
        self.lost: set[str] = set()
        self.logs: dict[tuple[str, int], bytes] = defaultdict(bytes)
        self.blobs: dict[str, bytes] = {}
        self.progress: list[tuple[str, Any]] = []
        self.statuses: list[str] = []
        self.status_requested: str | None = None
        self.lazy = True
        self.signed_on: list[list[dict[str, Any]]] = []
        self.signed_off = 0
        self.lose_answers: set[str] = set()
        self.refuse_outputs = 0
        self.complaints: list[str] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._server: ThreadingHTTPServer | None = None

    # -- for tests -------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def come(self) -> None:
        """Listen; after `go_away` on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), _handler_of(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def go_away(self) -> None:
        """Refuse connections and break the open ones, as a stopped process does."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def queue(self, task: str, *commands: tuple[str, dict[str, Any]], **rest: Any) -> None:
        wire = [{"name": name, "settings": settings} for name, settings in commands]
        plain = {"inputs": [], "outputs": [], "commands": wire, "task": task, "generation": 1, **rest}
        [like] = recorded("contract_assignment")["response"]["body"]["assignments"]
        with self.changed:
            self.queued.append({**like, "name": f"task {task}", **plain})
            self.changed.notify_all()

    def store(self, content: bytes) -> dict[str, Any]:
        """Keep a blob; returns it as an input without its name."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs[sha256] = content
        return {"blob": sha256, "size": len(content), "sha256": sha256}

    def wait_for(self, is_true: Callable[[], Any], seconds: float = 60.0) -> None:
        with self.changed:
            assert self.changed.wait_for(is_true, timeout=seconds), f"not within {seconds} s: {self.summary()}"

    def wait_for_outcome(self, task: str, seconds: float = 60.0, generation: int = 1) -> dict[str, Any]:
        self.wait_for(lambda: (task, generation) in self.outcomes, seconds)
        return self.outcomes[task, generation]

    def summary(self) -> str:
        return f"queued {len(self.queued)}, active {list(self.active)}, outcomes {self.outcomes}, {self.complaints}"

    # -- the protocol ------------------------------------------------------------------------------------------------

    def register(self, body: dict[str, Any], authorization: str) -> Answer:
        if self.token is not None and authorization != f"Bearer {self.token}":
            return 401, answer_like("register_without_token")
        worker, secret = str(1000 + len(self.secrets)), f"secret-{len(self.secrets)}"
        self.secrets[worker] = secret
        return 200, answer_like("register", id=worker, secret=secret, runtime=body["runtime"])

    def sign_on(self, body: dict[str, Any]) -> Answer:
        kept = {(one["task"], one["generation"]) for one in body["held"]}
        self.signed_on.append(body["held"])
        for task, assignment in list(self.active.items()):
            if (task, assignment["generation"]) not in kept:
                self._requeue(task)
        return 200, answer_like("sign_on", poll_seconds=self.poll_seconds)

    def sign_off(self, body: dict[str, Any]) -> Answer:
        for task in list(self.active):
            self._requeue(task)
        self.signed_off += 1
        return 200, answer_like("sign_off")

    def contract(self, body: dict[str, Any]) -> Answer:
        verdicts = [self._apply(report) for report in body["reports"]]
        if body["request_id"] in self.claims:
            given = self.claims[body["request_id"]]
        else:
            deadline = time.monotonic() + min(body["timeout"], 3.0)
            while body["slots"] and not self.queued and not self.status_requested and time.monotonic() < deadline:
                self.changed.wait(deadline - time.monotonic())
            given = self._give(body["slots"])
            if given:
                self.claims[body["request_id"]] = given
        mine = {"reports": verdicts, "assignments": given, "cancel": self._cancels()}
        return 200, answer_like("contract_idle", **mine, **self._told())

    def renew(self, body: dict[str, Any]) -> Answer:
        verdicts = [self._renewed(one) for one in body["leases"]]
        return 200, answer_like("renew", leases=verdicts, cancel=self._cancels(), **self._told())

    def log(self, body: dict[str, Any]) -> Answer:
        key, offset = (body["task"], body["generation"]), body["offset"]
        text = body["text"].encode()
        assert len(text) <= 256 * 1024
        if offset == len(self.logs[key]):
            self.logs[key] += text
        elif self.logs[key][offset : offset + len(text)] != text:
            self.complaints.append(f"log of {key} at {offset} does not continue {len(self.logs[key])}")
        return 200, answer_like("log", next_offset=offset + len(text))

    def status(self, body: dict[str, Any]) -> Answer:
        self.statuses.append(body["status"])
        self.status_requested = None
        return 200, answer_like("status")

    def data(self, body: dict[str, Any]) -> Answer:
        sha256 = body["sha256"]
        if sha256 in self.blobs:
            return 200, answer_like("blob_known", id=sha256, checksum=sha256)
        upload = {"method": "PUT", "url": f"/objects/{sha256}", "headers": {"Content-Type": "application/octet-stream"}}
        return 200, answer_like("blob_new", id=sha256, checksum=sha256, upload=upload)

    def _apply(self, report: dict[str, Any]) -> dict[str, Any]:
        key = (report["task"], report["generation"])
        name = "contract_report"
        assignment = self.active.get(report["task"])
        if key in self.outcomes:
            self.doubled.append(key)
        elif assignment is None or assignment["generation"] != report["generation"] or report["task"] in self.lost:
            name = "contract_report_lost"
        elif report["outputs"] and self.refuse_outputs:
            self.refuse_outputs -= 1
            for output in report["outputs"]:
                self.blobs.pop(output["blob"])
            name = "contract_report_output_missing"
        else:
            self.outcomes[key] = report
            self.active.pop(report["task"])
            if report["outcome"] in ("interrupted", "released"):
                self._queue_again(assignment)
        [verdict] = answer_like(name)["reports"]
        return {**verdict, "task": report["task"], "generation": report["generation"]}

    def _give(self, slots: int) -> list[dict[str, Any]]:
        given, self.queued = self.queued[:slots], self.queued[slots:]
        for assignment in given:
            assignment["lease_seconds"] = self.lease_seconds
            self.active[assignment["task"]] = assignment
            self.granted_at[assignment["task"]] = time.time()
        return given

    def _renewed(self, wanted: dict[str, Any]) -> dict[str, Any]:
        self.progress.append((wanted["task"], wanted["progress"]))
        lease = {"task": wanted["task"], "generation": wanted["generation"]}
        if wanted["task"] in self.lost or wanted["task"] not in self.active:
            return {**lease, "held": False}
        self.granted_at[wanted["task"]] = time.time()
        return {**lease, "held": True, "lease_seconds": self.lease_seconds}

    def _cancels(self) -> list[dict[str, Any]]:
        wanted = [one for one in self.active.values() if one["task"] in self.to_cancel]
        return [{"task": one["task"], "generation": one["generation"], "reason": "job canceled"} for one in wanted]

    def _told(self) -> dict[str, Any]:
        return {"poll_seconds": self.poll_seconds, "status_requested": self.status_requested, "lazy": self.lazy}

    def _requeue(self, task: str) -> None:
        self._queue_again(self.active.pop(task))

    def _queue_again(self, assignment: dict[str, Any]) -> None:
        self.queued.append({**assignment, "generation": assignment["generation"] + 1})


@contextmanager
def running_manager() -> Iterator[Manager]:
    """A manager that listens; at the end it has nothing to complain of."""
    manager = Manager()
    manager.come()
    try:
        yield manager
    finally:
        manager.go_away()
    assert manager.complaints == []


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: Any) -> None:
        self.sockets: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.sockets.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for open_socket in list(self.sockets):
            try:
                open_socket.shutdown(2)
            except OSError:
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are part of the play."""


def _handler_of(manager: Manager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one packet: else each answer waits 40 ms for a delayed acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            action = self.path.rpartition("/")[2]
            with manager.changed:
                manager.calls.append((action, body))
                status, answer = self._answer(action, body)
                manager.changed.notify_all()
                if action in manager.lose_answers:
                    manager.lose_answers.discard(action)
                    self.close_connection = True
                    return
            self._send(status, json.dumps(answer).encode())

        def _answer(self, action: str, body: dict[str, Any]) -> Answer:
            if self.path == "/worker":
                self._hold_against("register", body)
                return manager.register(body, self.headers.get("Authorization", ""))
            if not self._is_known():
                return 401 if self.path == "/data" else 404, answer_like("sign_on_unknown")
            if self.path == "/data":
                self._hold_against("blob_new", body)
                return manager.data(body)
            if action == "picture":
                return 200, {"code": 0, "status": "OK", "again_seconds": 3600}
            self._hold_against(REQUESTS[action], body)
            method: Callable[[dict[str, Any]], Answer] = getattr(manager, action.replace("-", "_"))
            return method(body)

        def _is_known(self) -> bool:
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            worker, _, secret = base64.b64decode(given).decode().partition(":")
            return manager.secrets.get(worker) == secret and self.path.startswith((f"/worker/{worker}/", "/data"))

        def _hold_against(self, name: str, body: dict[str, Any]) -> None:
            if found := difference(recorded(name)["request"]["body"], body):
                manager.complaints.append(f"{self.path}: {found}")

        def do_GET(self) -> None:
            content = manager.blobs.get(self.path.split("/")[2])
            if content is None:
                return self._send(404, b'{"code":1,"status":"error","message":"unknown blob"}')
            start = self.headers.get("Range", "")
            if not start:
                return self._send(200, content)
            first = int(start.removeprefix("bytes=").rstrip("-"))
            self._send(206, content[first:], {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"})

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            sha256 = self.path.rpartition("/")[2]
            if "Authorization" in self.headers:
                manager.complaints.append("credentials were sent with an upload")
            if hashlib.sha256(content).hexdigest() != sha256:
                return self._send(400, b'{"code":1,"status":"error","message":"wrong checksum"}')
            with manager.changed:
                manager.blobs[sha256] = content
                manager.changed.notify_all()
            self._send(200, b"")

        def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler
