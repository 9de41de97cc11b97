"""A farm that keeps jobs in a dict and runs nothing: what the client library and the CLI are tested against.

It answers the documented API over real HTTP. A test puts jobs into it, moves them, and may break its answers:
`trouble` holds what the next requests get instead (a status, "drop" for a connection that just ends, an error of S3),
and of the next `half_contents` downloads only the first half arrives.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

WORDS = ("waiting", "queued", "active", "paused", "completed", "failed", "canceled")
S3_SAYS = {"AccessDenied": 403, "RequestTimeout": 400, "ExpiredToken": 400}
"""Of a signed request that is too old, a line that stood still, credentials that have ended since it was signed."""
NOW = "2026-01-02T03:04:05Z"


class StubFarm:
    """The state. `requests` lists "METHOD /path" of every call that was answered or broken."""

    def __init__(self) -> None:
        self.url = ""
        self.auth = "open"
        self.token: str | None = None
        self.jobs: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.logs: dict[tuple[str, int], bytes] = {}
        self.workers: list[dict[str, Any]] = []
        self.blobs: dict[str, bytes] = {}
        self.keys: dict[str, str] = {}
        self.half_contents = 0
        self.trouble: deque[int | str] = deque()
        self.requests: list[str] = []
        self.errors: dict[str, dict[str, Any]] = {}
        self.kept_days: int | None = None
        self.content_days: int | None = None
        self.policies: dict[str, Any] = {}
        self.said: list[dict[str, Any]] = []
        """The bodies of what was asked of jobs."""
        self.seen_headers: dict[str, dict[str, str]] = {}
        self.date: str | None = None
        self.before_upload: Callable[[], None] = lambda: None
        """Called when an upload has come, before it is answered or broken."""
        self.after_request: Callable[[str], None] = lambda request: None

    def add_job(self, **fields: Any) -> str:
        job = str(1000 + len(self.jobs))
        self.jobs[job] = {
            "id": job, "name": "a job", "type": "sleep", "status": "queued", "priority": 50, "tags": [], "settings": {},
            "counts": dict.fromkeys(WORDS, 0), "progress": 0, "outputs": [], "error": None, "created_at": NOW,
            "started_at": None, "finished_at": None, "max_workers": None, "max_retries": 3,
            "retry": {"delay_seconds": 0, "exit_codes": {}}, "on_failure": "continue", **fields,
        }  # fmt: skip
        return job

    def add_task(self, job: str, **fields: Any) -> str:
        task = str(5000 + len(self.tasks))
        self.tasks[task] = {
            "id": task, "job": job, "name": f"task {len(self.tasks)}", "task_type": "sleep", "status": "queued",
            "priority": 50, "worker": None, "progress": 0, "activity": None, "attempts": [], **fields,
        }  # fmt: skip
        return task

    def add_attempt(self, task: str, outcome: str | None, log: bytes = b"") -> None:
        attempts = self.tasks[task]["attempts"]
        attempts.append({
            "number": len(attempts) + 1, "worker": "77", "outcome": outcome, "exit_code": None, "error": None,
            "started_at": NOW, "ended_at": NOW if outcome else None,
        })  # fmt: skip
        self.logs[(task, len(attempts))] = log

    def add_output(self, job: str, name: str, content: bytes, **fields: str) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        output = {"name": name, "blob": digest, "size": len(content), "sha256": digest, **fields}
        self.jobs[job]["outputs"].append(output)

    def requested(self, pattern: str) -> int:
        return sum(bool(re.fullmatch(pattern, request)) for request in self.requests)


class Problem(Exception):
    def __init__(self, status: int, detail: str, **members: Any) -> None:
        self.document = {"type": "about:blank", "title": detail, "status": status, "detail": detail, **members}


class Door(BaseHTTPRequestHandler):
    """One request. The server carries the farm."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet; two would wait 40 ms for each other
    farm: StubFarm

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.farm.date or super().date_time_string(timestamp)

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = f"{self.command} {parts.path}"
        self.farm.requests.append(request)
        self.farm.seen_headers[request] = dict(self.headers)
        if self.command == "PUT":
            self.farm.before_upload()
        if self.farm.trouble:
            return self.disturb(self.farm.trouble.popleft())
        try:
            self.allow(parts.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.route(self.command, parts.path, query, body)
        except Problem as problem:
            self.answer(problem.document["status"], problem.document, kind="application/problem+json")
        self.farm.after_request(request)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def disturb(self, what: int | str) -> None:
        if isinstance(what, int):
            return self.answer(what, {"status": what, "detail": "trouble"}, kind="application/problem+json")
        if what in S3_SAYS:
            return self.answer(S3_SAYS[what], f"<Error><Code>{what}</Code></Error>".encode(), kind="application/xml")
        self.close_connection = True
        self.connection.close()

    def allow(self, path: str) -> None:
        has_token = self.farm.token in (None, self.headers.get("Authorization", "").removeprefix("Bearer "))
        is_free = path.startswith("/upload/") or (path == f"{API}/farm" and self.farm.auth == "token")
        if not has_token and not is_free:
            raise Problem(401, "a token is needed")

    def answer(self, status: int, data: Any, *, kind: str = "application/json", **headers: str) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def route(self, method: str, path: str, query: dict[str, str], body: bytes) -> None:
        for allowed, pattern, handler in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == allowed:
                return handler(self, query, body, *match.groups())
        raise Problem(404, f"nothing at {path}")

    # ---- the routes ----

    def get_farm(self, query: dict[str, str], body: bytes) -> None:
        self.answer(
            200, {"name": "stub", "version": "0", "auth": self.farm.auth, "counts": {"jobs": len(self.farm.jobs)}}
        )

    def post_jobs(self, query: dict[str, str], body: bytes) -> None:
        data = json.loads(body)
        if data["type"] == "nonsense":
            raise Problem(422, "no such job type; there are sleep and transcode", field="type")
        key = self.headers["Idempotency-Key"]
        if key not in self.farm.keys:
            self.farm.keys[key] = self.farm.add_job(**data)
        self.answer(201, self.farm.jobs[self.farm.keys[key]])

    def get_jobs(self, query: dict[str, str], body: bytes) -> None:
        jobs = [job for job in self.farm.jobs.values() if query.get("status") in (None, job["status"])]
        self.page(jobs, query)

    def get_job(self, query: dict[str, str], body: bytes, job: str) -> None:
        self.answer(200, self.job(job))

    def delete_job(self, query: dict[str, str], body: bytes, job: str) -> None:
        self.job(job)
        del self.farm.jobs[job]
        self.answer(204, b"")

    def patch_job(self, query: dict[str, str], body: bytes, job: str) -> None:
        self.job(job).update(json.loads(body))
        self.answer(200, self.job(job))

    def act(self, query: dict[str, str], body: bytes, job: str, verb: str) -> None:
        if self.job(job)["status"] in ("completed", "failed") and verb != "retry":
            raise Problem(409, f"job {job} has ended; it cannot be changed by {verb}")
        self.farm.said.append(json.loads(body))
        words = {"cancel": "canceled", "pause": "paused", "resume": "queued", "retry": "queued"}
        self.job(job)["status"] = words[verb]
        self.answer(200, self.job(job))

    def get_tasks(self, query: dict[str, str], body: bytes, job: str) -> None:
        self.job(job)
        self.page([task for task in self.farm.tasks.values() if task["job"] == job], query)

    def get_outputs(self, query: dict[str, str], body: bytes, job: str) -> None:
        self.page([{"task": "5000", "task_name": "a task", **output} for output in self.job(job)["outputs"]], query)

    def get_task(self, query: dict[str, str], body: bytes, task: str) -> None:
        if task not in self.farm.tasks:
            raise Problem(404, f"there is no task {task}")
        self.answer(200, self.farm.tasks[task])

    def get_log(self, query: dict[str, str], body: bytes, task: str) -> None:
        number = int(query.get("attempt", len(self.farm.tasks[task]["attempts"])))
        offset = int(query.get("offset", 0))
        piece = self.farm.logs.get((task, number), b"")[offset : offset + 1000]
        self.answer(200, piece, kind="text/plain; charset=utf-8", X_Next_Offset=str(offset + len(piece)))

    def get_workers(self, query: dict[str, str], body: bytes) -> None:
        self.page(self.farm.workers, query)

    def delete_worker(self, query: dict[str, str], body: bytes, worker: str) -> None:
        self.farm.workers = [one for one in self.farm.workers if one["id"] != worker]
        self.answer(204, b"")

    def get_why(self, query: dict[str, str], body: bytes, job: str) -> None:
        self.answer(200, {"reasons": [{"code": "no_worker", "text": "no worker is registered with this farm"}]})

    def ask_worker(self, query: dict[str, str], body: bytes, worker: str) -> None:
        said = json.loads(body)
        self.farm.said.append(said)
        one = next(one for one in self.farm.workers if one["id"] == worker)
        self.answer(200, one | {"status_requested": said["status"]})

    def post_blobs(self, query: dict[str, str], body: bytes) -> None:
        sha256 = json.loads(body)["sha256"]
        self.answer(201, {"id": sha256, "upload": None if sha256 in self.farm.blobs else self.signed(sha256)})

    def put_upload(self, query: dict[str, str], body: bytes, sha256: str) -> None:
        if hashlib.sha256(body).hexdigest() != sha256:
            raise Problem(400, "the content has another checksum")
        self.farm.blobs[sha256] = body
        self.answer(200, b"")

    def get_content(self, query: dict[str, str], body: bytes, blob: str) -> None:
        content = self.farm.blobs[blob]
        if self.farm.half_contents:
            self.farm.half_contents -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.answer(200, content, kind="application/octet-stream")

    def get_policies(self, query: dict[str, str], body: bytes) -> None:
        self.answer(200, {"policies": self.farm.policies})

    def put_policy(self, query: dict[str, str], body: bytes, kind: str) -> None:
        self.farm.policies[kind] = json.loads(body)
        self.get_policies(query, body)

    def delete_policy(self, query: dict[str, str], body: bytes, kind: str) -> None:
        del self.farm.policies[kind]
        self.answer(204, b"")

    def get_error(self, query: dict[str, str], body: bytes, task: str) -> None:
        self.answer(200, {"attempt": 1, "line": self.farm.errors.get(task), "searched_bytes": 9, "complete": True})

    def retention(self, query: dict[str, str], body: bytes) -> None:
        if body:
            said = json.loads(body)
            self.farm.kept_days = said.get("ended_jobs_days", self.farm.kept_days)
            self.farm.content_days = said.get("content_days", self.farm.content_days)
        self.answer(200, {"ended_jobs_days": self.farm.kept_days, "content_days": self.farm.content_days})

    def preview(self, query: dict[str, str], body: bytes) -> None:
        self.answer(200, {"count": len(self.farm.jobs), "jobs": list(self.farm.jobs.values())})

    def post_frames(self, query: dict[str, str], body: bytes, job: str) -> None:
        self.answer(200, {"added": "4-5", "present": "3", "job": self.job(job)})

    def post_webhooks(self, query: dict[str, str], body: bytes) -> None:
        wanted = json.loads(body)
        warning = "'soon.invalid' could not be resolved" if "soon.invalid" in wanted["url"] else None
        self.answer(201, {**wanted, "id": "7", "job": None, "secret": "told-once", "warning": warning})

    def post_missing(self, query: dict[str, str], body: bytes) -> None:
        asked = json.loads(body)["contents"]
        lacking = [one for one in asked if one["sha256"] not in self.farm.blobs]
        self.answer(200, {"missing": [{**one, "upload": self.signed(one["sha256"])} for one in lacking]})

    def signed(self, sha256: str) -> dict[str, Any]:
        return {"method": "PUT", "url": f"/upload/{sha256}?signature=x", "headers": {"X-Checked": sha256}}

    def job(self, job: str) -> dict[str, Any]:
        if job not in self.farm.jobs:
            raise Problem(404, f"there is no job {job}")
        return self.farm.jobs[job]

    def page(self, items: list[dict[str, Any]], query: dict[str, str]) -> None:
        """Pages of three, whatever limit is asked for, so that cursors are always followed."""
        start = int(query.get("cursor", 0))
        end = start + 3
        self.answer(200, {"items": items[start:end], "next": str(end) if end < len(items) else None})


API = "/api/v1"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", f"{API}/farm", Door.get_farm),
    ("POST", f"{API}/jobs", Door.post_jobs),
    ("GET", f"{API}/jobs", Door.get_jobs),
    ("GET", f"{API}/jobs/([^/]+)", Door.get_job),
    ("DELETE", f"{API}/jobs/([^/]+)", Door.delete_job),
    ("PATCH", f"{API}/jobs/([^/]+)", Door.patch_job),
    ("POST", f"{API}/jobs/([^/]+)/(cancel|pause|resume|retry)", Door.act),
    ("POST", f"{API}/jobs/([^/]+)/frames", Door.post_frames),
    ("POST", f"{API}/blobs/missing", Door.post_missing),
    ("POST", f"{API}/webhooks", Door.post_webhooks),
    ("GET", f"{API}/retry-policies", Door.get_policies),
    ("GET", f"{API}/tasks/([^/]+)/error", Door.get_error),
    ("GET", f"{API}/retention", Door.retention),
    ("PUT", f"{API}/retention", Door.retention),
    ("GET", f"{API}/retention/preview", Door.preview),
    ("PUT", f"{API}/retry-policies/([^/]+)", Door.put_policy),
    ("DELETE", f"{API}/retry-policies/([^/]+)", Door.delete_policy),
    ("GET", f"{API}/jobs/([^/]+)/tasks", Door.get_tasks),
    ("GET", f"{API}/jobs/([^/]+)/outputs", Door.get_outputs),
    ("GET", f"{API}/tasks/([^/]+)", Door.get_task),
    ("GET", f"{API}/tasks/([^/]+)/log", Door.get_log),
    ("GET", f"{API}/jobs/([^/]+)/why", Door.get_why),
    ("GET", f"{API}/workers", Door.get_workers),
    ("POST", f"{API}/workers/([^/]+)/status", Door.ask_worker),
    ("DELETE", f"{API}/workers/([^/]+)", Door.delete_worker),
    ("POST", f"{API}/blobs", Door.post_blobs),
    ("PUT", "/upload/([^/]+)", Door.put_upload),
    ("GET", f"{API}/blobs/([^/]+)/content", Door.get_content),
]


@contextmanager
def running(farm: StubFarm, port: int = 0) -> Iterator[StubFarm]:
    door = type("BoundDoor", (Door,), {"farm": farm})
    with ThreadingHTTPServer(("127.0.0.1", port), door) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        farm.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield farm
        finally:
            server.shutdown()
            thread.join()
