"""A farm on one machine behind the real embedded server, serving this room only, and clients that talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import requests
from chalice import Chalice

from chalicelib.core.farm import Farm
from chalicelib.dialects.pleiades import routes
from chalicelib.store.files import FileObjectStore
from tests.dialects.conftest import MovableClock, app_of, served


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
    return app_of("pleiades-room", routes.blueprint)


@pytest.fixture
def site(farm: Farm, clock: MovableClock) -> Iterator[Site]:
    with served(the_app(), farm) as url:
        site = Site(farm, url, clock, farm.objects)
        yield site
        site.session.close()
