"""A farm on one machine behind the real embedded server, serving this room only, and both generations as clients."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import requests
from chalice import Chalice

from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core import jobs
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.model import Job, Task
from chalicelib.core.records.keys import INDEXES
from chalicelib.dialects.flamenco1 import routes, submitting
from chalicelib.edge import current
from chalicelib.edge.middleware import install
from chalicelib.embedded.bell import LocalBell
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.files import FileObjectStore
from chalicelib.store.sqlite import SqliteTable


class MovableClock:
    """Real time, moved forward when a test wants something to be over."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def pass_seconds(self, seconds: float) -> None:
        self.ahead_ms += int(seconds * 1000)


@dataclass
class Site:
    """A served farm."""

    farm: Farm
    url: str
    clock: MovableClock
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, allow_redirects=False, timeout=30, **options)

    def send(self, number: int, text: str = "hi", **fields: Any) -> requests.Response:
        """A Server's new task, as a form."""
        form = {"task_id": number, "type": "print_string", "settings": json.dumps({"text": text}), **fields}
        return self.call("POST", "/tasks", data={"parser": "blender_render", "priority": 50, **form})

    def register(self, hostname: str = "node7", port: int = 5000, system: str = "Linux 5.15") -> int:
        answer = self.call("POST", "/workers", data={"hostname": hostname, "port": port, "system": system})
        assert (answer.status_code, answer.content) == (204, b""), answer.text
        return int(answer.headers["Location"].removeprefix("/workers/"))

    def poll(self, hostname: str = "node7") -> requests.Response:
        return self.call("GET", "/tasks/compiled/0", params={"worker": hostname})

    def report(self, number: int, status: str, **fields: Any) -> requests.Response:
        return self.call("PATCH", f"/tasks/{number}", data={"status": status, **fields})

    def workers(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/workers").json()
        return found

    def submit(self, *commands: dict[str, Any], task_type: str = "exec", **more: Any) -> Job:
        """A job with one task, as the farm's own API takes it."""
        task = {"name": "one", "task_type": task_type, "commands": list(commands)}
        return jobs.submit(self.farm, jobs.Submission("elsewhere", "commands", {"tasks": [task]}, **more))

    def task_of(self, job: Job) -> Task:
        found = self.farm.tasks.get(job.first_task)
        assert found is not None
        return found

    def job_status(self, number: int) -> str:
        """Of the job that a Server's task has become."""
        known = submitting.find(self.farm, number)
        assert known is not None
        return known.job.status.value

    def task(self, number: int) -> Task:
        known = submitting.find(self.farm, number)
        assert known is not None and known.task is not None
        return known.task


@cache
def the_app() -> Chalice:
    """This room alone, with what the real app installs for every room."""
    app = Chalice(app_name="flamenco1-room")
    install(app)
    app.register_blueprint(routes.blueprint)
    return app


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, auth="open", delivery="stream", push_networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
def farm(tmp_path: Path, settings: Settings) -> Iterator[Farm]:
    clock, bell = MovableClock(), LocalBell()
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    objects = FileObjectStore(tmp_path / "objects", b"a secret", clock=clock)
    farm = Farm(table, objects, clock, bell, JOB_TYPES, Limits(), random.Random(1))
    current.serve(farm, settings)
    yield farm
    current.forget()
    bell.close()
    table.close()


@pytest.fixture
def site(farm: Farm) -> Iterator[Site]:
    assert isinstance(farm.objects, FileObjectStore) and isinstance(farm.bell, LocalBell)
    assert isinstance(farm.clock, MovableClock)
    server = EmbeddedServer(the_app(), farm.objects, clock=farm.clock, on_stop=[farm.bell.close])
    server.start()
    site = Site(farm, server.url, farm.clock)
    yield site
    site.session.close()
    server.stop(1.0)
