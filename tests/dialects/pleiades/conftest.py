"""A farm on one machine behind the real embedded server, serving this room only, and clients that talk to it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
from chalice import Chalice

from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.records.keys import INDEXES
from chalicelib.dialects.pleiades import routes
from chalicelib.edge import current
from chalicelib.edge.middleware import install
from chalicelib.embedded.bell import LocalBell
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.files import FileObjectStore
from chalicelib.store.sqlite import SqliteTable


class MovableClock:
    """Real time, moved forward when a test wants a lease to end."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@dataclass
class Site:
    """A served farm."""

    farm: Farm
    url: str
    clock: MovableClock
    objects: FileObjectStore
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, allow_redirects=False, timeout=30, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        if body is not None:
            options["json"] = body
        return self.session.post(self.url + path, allow_redirects=False, timeout=30, **options)

    def upload(self, content: bytes) -> str:
        return str(self.post("/data", files={"file": ("data", content)}).json()["id"])

    def job(self, runtime: str = "lua54", input_id: str = "0", code: str = "0", tags: list[str] | None = None) -> str:
        function = self.post("/lambda", {"codex": code, "runtime": runtime}).json()["id"]
        answer = self.post("/job", {"lambda": function, "input": input_id, "tags": tags or []})
        return str(answer.json()["id"])

    def old_worker(self, *runtimes: str) -> str:
        return str(self.post("/worker", {"runtime": list(runtimes or ("lua54",))}).json()["id"])

    def contract(self, worker: str, timeout: float = 0, tags: list[str] | None = None) -> str | None:
        """The job's id, or None."""
        answer = requests.post(
            f"{self.url}/worker/{worker}/contract",
            json={"id": worker, "tags": tags or [], "timeout": timeout},
            timeout=40,
        ).json()
        assert answer["code"] == 0 and answer["status"] == "ok", answer
        return answer.get("job")

    def state(self, job: str) -> str:
        return str(self.get(f"/job/{job}").json()["state"])

    def update(self, job: str, status: str, **fields: Any) -> requests.Response:
        return self.post(f"/job/{job}", {"status": status, **fields})


@cache
def the_app() -> Chalice:
    """This room alone, with what the real app installs for every room. Chalice takes a blueprint into one app only."""
    app = Chalice(app_name="pleiades-room")
    install(app)
    app.register_blueprint(routes.blueprint)
    return app


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, auth="open", delivery="stream")


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
    site = Site(farm, server.url, farm.clock, farm.objects)
    yield site
    site.session.close()
    server.stop(1.0)
