"""A farm on one machine behind the real embedded server, serving this room only, and its clients and workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import requests
from chalice import Chalice

from chalicelib.config import Settings
from chalicelib.core import events, jobs
from chalicelib.core.farm import Farm
from chalicelib.core.model import Job, Task, Worker
from chalicelib.dialects.transcode import pushing, routes, translate
from chalicelib.edge import current
from tests.dialects.conftest import MovableClock, app_of, served
from tests.dialects.transcode.scripted_worker import ScriptedWorker

OK = {"type": 1, "err_code": 0, "error_code": 0, "err_msg": "ok"}
FAILURE = {"type": 1, "err_code": -1, "error_code": -1, "err_msg": "Failure"}
INVALID_REQUEST = {"type": 1, "err_code": -2, "error_code": -2, "err_msg": "Invalid request"}
INVALID_VALUE = {"type": 1, "err_code": -3, "error_code": -3, "err_msg": "Invalid value"}


@dataclass
class Site:
    """A served farm."""

    farm: Farm
    url: str
    clock: MovableClock
    session: requests.Session = field(default_factory=requests.Session)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, allow_redirects=False, timeout=30, **options)

    def call(self, name: str, **body: Any) -> Any:
        """A call to the master; its answer, which is always HTTP 200 and JSON."""
        answer = self.send("POST", f"/master/{name}", json={"type": 0, **body})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
        return answer.json()

    def add(self, **fields: Any) -> str:
        """A new job; its id."""
        job = {"src_filename": "/media/concert.bin", "dst_dir": "/media/out/", "dst_format": "mp4", **fields}
        answer = self.call("add_job", job=job)
        assert answer["err_code"] == 0, answer
        return str(answer["job_id"])

    def register(self, worker: ScriptedWorker, *, state: int = 0, **more: Any) -> str:
        answer = self.call("register", worker_id="127.0.0.1", worker_port=worker.port, state=state, **more)
        assert answer["err_code"] == 0, answer
        return str(answer["worker_id"])

    def beat(self, worker_id: str, state: int = 0) -> Any:
        return self.call("heartbeat", worker_id=worker_id, state=state)

    def round(self) -> None:
        """What the farm does each second. Polls are further apart than that, so some time passes before."""
        self.clock.pass_seconds(2.1)
        pushing.push_round(self.farm, current.pusher())

    def hear(self) -> None:
        """What the event feed does soon after tasks have changed."""
        found = [task.id for job in self.farm.jobs.page(None, 100, None)[0] for task in self.tasks_of(job)]
        events.tasks_changed(self.farm, found)

    def job(self, text: str) -> Any:
        return self.call("get_job", job_id=text)["job"]

    def core_job(self, text: str) -> Job:
        return jobs.get(self.farm, translate.job_number(text))

    def tasks_of(self, job: Job, step: int = 0) -> list[Task]:
        found = self.farm.jobs.steps(job.id)[step]
        return list(self.farm.tasks.range(found.base, found.base + found.count - 1)) if found.count else []

    def task(self, text: str, index: int = 0) -> Task:
        return self.tasks_of(self.core_job(text))[index]

    def worker(self, address: str) -> Worker:
        alias = self.farm.aliases.get("transcode", "worker", address)
        assert alias is not None
        found = self.farm.workers.get(alias.id)
        assert found is not None
        return found


@cache
def the_app() -> Chalice:
    return app_of("transcode-room", routes.blueprint)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, auth="open", delivery="stream", push_networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
def site(farm: Farm, clock: MovableClock) -> Iterator[Site]:
    with served(the_app(), farm) as url:
        site = Site(farm, url, clock)
        yield site
        site.session.close()


@pytest.fixture
def worker() -> Iterator[ScriptedWorker]:
    made = ScriptedWorker()
    yield made
    made.stop()


@pytest.fixture
def another_worker() -> Iterator[ScriptedWorker]:
    made = ScriptedWorker()
    yield made
    made.stop()
