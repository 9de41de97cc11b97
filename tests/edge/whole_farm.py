"""The whole app behind the embedded server, with one thing of every kind in its farm, and how each room says no.

Everything is derived from the app's routes, so that a new route is covered by the tests of all routes at once.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import requests

from app import app
from chalicelib.api.routes import blueprint as api
from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.retry_policy import TypePolicy
from chalicelib.dashboard.routes import blueprint as dashboard
from chalicelib.dialects.flamenco1.routes import blueprint as flamenco1
from chalicelib.dialects.flamenco2.routes import blueprint as flamenco2
from chalicelib.dialects.pleiades.routes import blueprint as pleiades
from chalicelib.dialects.scheduler.routes import blueprint as scheduler
from chalicelib.dialects.transcode.routes import blueprint as transcode
from chalicelib.edge import current, hexids
from chalicelib.edge.http import Room, rooms_of
from chalicelib.edge.networks import LOOPBACK
from chalicelib.embedded.bell import LocalBell
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.install.routes import blueprint as installing
from chalicelib.store.files import FileObjectStore
from chalicelib.store.sqlite import SqliteTable
from tests.dialects.conftest import MovableClock

FREE = {
    ("GET", "/"): "whether a farm is here anybody may ask, as old workers do first",
    **{("GET", f"{base}/ping"): "the same, as Pleiades asks" for base in ("", "/api/v0.5", "/api/v0.5-snapshot")},
    **{("GET", f"{base}/sys/version"): "the same" for base in ("", "/api/v0.5", "/api/v0.5-snapshot")},
    ("GET", "/api/v1/farm"): "the same; it tells who asks, and less to those who show nothing",
    ("GET", "/api/v1/openapi.json"): "the description of the API",
    ("GET", "/api/v1/session"): "who asks: nobody, to who shows nothing",
    ("DELETE", "/api/v1/session"): "a browser forgets its cookie",
    ("GET", "/ui/{id}/{name}"): "the web page's files, the same on every farm",
    ("GET", "/install"): "how to become a worker, for machines that have no token yet",
    ("GET", "/install/{id}"): "what that needs: a script, the worker, its requirements",
    **{
        (method, path): "is not served: 405, or 200 to OPTIONS, whoever asks"
        for path in ("/start", "/stop", "/query")
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
    },
}
"""What a closed farm answers to everybody, and why."""


class Route(NamedTuple):
    method: str
    pattern: str

    @property
    def room(self) -> Room | None:
        return rooms_of(app).get(self.pattern)

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"


ROUTES = [Route(method, pattern) for pattern in sorted(app.routes) for method in sorted(app.routes[pattern])]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _AsItIs(http.client.HTTPConnection):
    """Sends bytes beyond ASCII in a target too, as some clients do."""

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")


@dataclass
class WholeFarm:
    farm: Farm
    settings: Settings
    folder: Path
    url: str
    known: dict[str, str] = field(default_factory=dict)
    """One id of each kind, as its protocol writes it, and what workers prove themselves with."""

    def __post_init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._database = sqlite3.connect(self.folder / "farm.db")

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """`target` as it is, however odd."""
        for fresh in (False, True):
            if self._connection is None or fresh:
                self.close()
                self._connection = _AsItIs("127.0.0.1", int(self.url.rpartition(":")[2]), timeout=60)
            try:
                self._connection.putrequest(method, target, skip_accept_encoding=True)
                for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                    self._connection.putheader(name, value)
                self._connection.endheaders(body or None)
                found = self._connection.getresponse()
                answer = Answer(found.status, {n.lower(): v for n, v in found.getheaders()}, found.read())
            except (http.client.RemoteDisconnected, ConnectionError):
                if fresh:
                    raise
                continue  # the server had ended the connection
            except BaseException:
                self.close()
                raise
            if found.will_close:
                self.close()
            return answer
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def end(self) -> None:
        self.close()
        self._database.close()

    def state(self) -> tuple[int, int]:
        """Changes with every commit to the table, and with every object that comes or goes."""
        [version] = self._database.execute("PRAGMA data_version").fetchone()
        return version, sum(len(files) for _, _, files in os.walk(self.folder / "objects"))

    def path(self, pattern: str) -> str:
        """The pattern with ids of the right kind."""
        kinds = next((kinds for start, kinds in KINDS.items() if pattern.startswith(start)), ())
        values = iter(self.known[kind] for kind in kinds)
        return re.sub(r"\{\w+\}", lambda _: next(values), pattern)

    def credentials(self, pattern: str) -> dict[str, str]:
        """What the worker that `path` names, or any of that room, proves itself with, where it has to."""
        if rooms_of(app).get(pattern) is flamenco2:
            return basic(self.known["flamenco2 worker"], self.known["flamenco2 secret"])
        if re.search(r"/worker/\{id\}/", pattern):
            return basic(self.known["worker"], self.known["secret"])
        return {}


KINDS: dict[str, tuple[str, ...]] = {
    **{
        base + path: (kind,)
        for base in ("", "/api/v0.5", "/api/v0.5-snapshot")
        for path, kind in {"/worker/{": "worker", "/data/{": "blob", "/lambda/{": "lambda", "/job/{": "job"}.items()
    },
    "/api/v1/blobs/": ("blob",),
    "/api/v1/jobs/": ("job",),
    "/api/v1/tasks/": ("task",),
    "/api/v1/workers/": ("worker",),
    "/api/v1/tokens/": ("token",),
    "/api/v1/webhooks/": ("webhook",),
    "/api/v1/retry-policies/": ("policy",),
    "/tasks/{id}/": ("flamenco2 task",),
    "/may-i-run/": ("flamenco2 task",),
    "/logfile/": ("flamenco2 job", "flamenco2 task"),
    "/ack-status-change/": ("status",),
    "/worker-action/": ("flamenco2 worker",),
    "/set-sleep-schedule/": ("flamenco2 worker",),
    "/tasks/": ("flamenco1 task",),
    "/install/": ("install file",),
    "/ui/": ("release", "page file"),
    "/static/storage/": ("flamenco1 job", "zip"),
    "/job-types/": ("job type",),
    "/workers/": ("flamenco1 worker",),
    "/settings/": ("setting",),
}
"""By the start of a pattern, the first that fits: the kinds of ids that are in it."""


LIMITS = Limits(wait_seconds=0.2, contact_every_seconds=40_000, lost_after_seconds=80_000)
"""That a worker was heard of is no change that a call makes, and not written while these tests look for one."""


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@contextmanager
def whole_farm(folder: Path, **changes: Any) -> Iterator[WholeFarm]:
    """Open, unless `changes` to the settings say otherwise; filled before they count."""
    settings = Settings(data=folder, delivery="stream", hook_networks=LOOPBACK)
    clock, bell, table = MovableClock(), LocalBell(), SqliteTable(folder / "farm.db", INDEXES)
    objects = FileObjectStore(folder / "objects", b"a secret", clock=clock)
    farm = Farm(table, objects, clock, bell, JOB_TYPES, LIMITS, random.Random(1))
    current.serve(farm, settings)
    server = EmbeddedServer(app, objects, clock=clock, on_stop=[bell.close])
    server.start()
    whole = WholeFarm(farm, settings, folder, server.url)
    try:
        _fill(whole)
        current.serve(farm, replace(settings, **changes))
        yield whole
    finally:
        whole.end()
        server.stop(1.0)
        current.forget()
        table.close()


def _fill(whole: WholeFarm) -> None:
    with requests.Session() as session:

        def post(path: str, value: Any = None, **options: Any) -> requests.Response:
            answer = session.post(whole.url + path, json=value, timeout=20, **options)
            assert answer.ok, (path, answer.text)
            return answer

        worker = post("/worker", {"runtime": ["lua54"], "worker": {"name": "node7", "task_types": ["exec"]}}).json()
        blob = post("/data", files={"file": ("x", b"content")}).json()["id"]
        function = post("/lambda", {"codex": blob, "runtime": "lua54"}).json()["id"]
        job = post("/job", {"lambda": function, "input": blob}).json()["id"]
        tasks = session.get(f"{whole.url}/api/v1/jobs/{job}/tasks", timeout=20).json()["items"]
        token = post("/api/v1/tokens", {"name": "somebody", "scopes": ["submit"]}).json()["id"]
        hook = post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["job.failed"]}).json()["id"]
        secret = "hJ4rT0wq9LzXcV8bNm2KpQ7sYd5FgE3aUi6OoRt1WxZvCyBnM4kLjHgFdSaPqWeR"
        described = {"secret": secret, "platform": "linux", "supported_task_types": ["sleep"], "nickname": "node8"}
        second = post("/register-worker", described).json()["_id"]
        first = post("/workers", data={"hostname": "node9", "port": 5000, "system": "Linux"}).headers["Location"]
        printed = {"task_id": 41, "job_id": 6, "type": "print_string", "settings": '{"text": "hi"}'}
        post("/tasks", data=printed)
        post("/master/register", {"ip": "127.0.0.1", "port": 20001, "state": 0})
        recording = post("/master/add_job", {"job": {"src_filename": "/a.bin", "dst_dir": "/out"}}).json()["job_id"]
        post("/settings", data={"blender_path_linux": "/usr/bin/blender"})
    whole.farm.type_policies.write("commands", TypePolicy(max_retries=5))
    whole.known = {
        "policy": "commands",
        "release": "0123456789ab",
        "page file": "app.js",
        "install file": "install.py",
        "worker": worker["id"],
        "secret": worker["secret"],
        "uuid": worker["uuid"],
        "blob": blob,
        "lambda": function,
        "job": job,
        "task": tasks[0]["id"],
        "token": str(token),
        "webhook": hook,
        "flamenco2 worker": second,
        "flamenco2 secret": secret,
        "flamenco2 job": hexids.hex_of(int(job)),
        "flamenco2 task": hexids.hex_of(int(tasks[0]["id"])),
        "status": "awake",
        "flamenco1 worker": first.removeprefix("/workers/"),
        "flamenco1 task": "41",
        "flamenco1 job": "6",
        "zip": "dependencies_41.zip",
        "job type": "print_string",
        "setting": "blender_path_linux",
        "transcode job": recording,
        "transcode worker": "127.0.0.1:20001",
    }


# ---- how each room says no ------------------------------------------------------------------------------------------


def refuses(route: Route, answer: Answer) -> bool:
    """Not: `no task for you` and `stop`, which two protocols say with 400, 403, 406 and 423 to a worker they know."""
    if route.room is transcode and answer.status == 200:
        return bool(answer.json["err_code"] != 0)
    if route.room is flamenco1 and answer.body.startswith(b'"'):
        return False
    return answer.status >= 400 and not (route.room is flamenco2 and answer.status in (406, 423))


def assert_in_its_own_words(route: Route, answer: Answer, what: object = "") -> None:
    """A refusal has its room's envelope; nothing that leaves the farm is a failure of ours, or tells of our insides."""
    said = (str(route), what, answer.status, answer.body[:300])
    assert b"Traceback" not in answer.body and b"its log says why" not in answer.body, said
    assert answer.status < 500 or route.room in (scheduler, flamenco1), said
    if (answer.status >= 400 or refuses(route, answer)) and route.method != "HEAD":
        _ENVELOPES[route.room](answer, said)


def _problem(answer: Answer, said: object) -> None:
    assert answer.headers["content-type"] == "application/problem+json", said
    assert answer.json["status"] == answer.status and answer.json["title"] and answer.json["detail"], said


def _pleiades(answer: Answer, said: object) -> None:
    assert answer.headers["content-type"] == "application/json", said
    assert list(answer.json) == ["code", "status", "message"], said
    assert answer.json["code"] in (1, 601) and answer.json["status"] == "error" and answer.json["message"], said


def _flamenco1(answer: Answer, said: object) -> None:
    assert answer.headers["content-type"] == "application/json", said
    if isinstance(answer.json, str):  # what workers that pull hear
        assert answer.status in (400, 403), said
    elif answer.status == 404 and "code" in answer.json:
        assert answer.json == {"code": 404, "message": "No interface defined for URL"}, said
    else:
        assert list(answer.json) == ["message"] and answer.json["message"], said
    assert answer.status < 500 or "type" in answer.json["message"], said


def _flamenco2(answer: Answer, said: object) -> None:
    if answer.status == 423:
        assert list(answer.json) == ["status_requested"], said
        return
    assert answer.headers["content-type"] == "text/plain; charset=utf-8", said
    assert bool(answer.body) == (answer.status != 405), said


def _scheduler(answer: Answer, said: object) -> None:
    if answer.status in (404, 405):
        assert answer.body in (b"404 page not found\n", b"Method Not Allowed\n"), said
        return
    assert answer.status in (500, 401, 403) and list(answer.json) == ["error"] and answer.json["error"], said
    assert answer.headers["content-type"] == "application/json", said


def _transcode(answer: Answer, said: object) -> None:
    assert answer.status in (200, 404, 405), said
    envelope = {name: answer.json[name] for name in ("type", "err_code", "error_code", "err_msg")}
    code = envelope["err_code"]
    message = {-1: "Failure", -2: "Invalid request", -3: "Invalid value"}[code]
    assert envelope == {"type": 1, "err_code": code, "error_code": code, "err_msg": message}, said


def _farms_own(answer: Answer, said: object) -> None:
    assert answer.headers["content-type"] == "application/json", said
    assert list(answer.json) == ["code", "status", "message"] and answer.json["code"] == answer.status, said


_ENVELOPES = {
    api: _problem,
    dashboard: _farms_own,
    installing: _farms_own,
    pleiades: _pleiades,
    flamenco1: _flamenco1,
    flamenco2: _flamenco2,
    scheduler: _scheduler,
    transcode: _transcode,
    None: _farms_own,
}
