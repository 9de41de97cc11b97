"""A farm on one machine behind the real embedded server, serving this room only, and both generations as clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import requests
from chalice import Chalice

from chalicelib.config import Settings
from chalicelib.core import jobs
from chalicelib.core.farm import Farm
from chalicelib.core.model import Job, Task
from chalicelib.dialects.flamenco1 import routes, submitting
from chalicelib.edge.networks import LOOPBACK
from tests.dialects.conftest import MovableClock, ServedFarm, app_of, served


class Site(ServedFarm):
    """As a Server and workers of Flamenco 1 see it."""

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
    return app_of("flamenco1-room", routes.blueprint)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, push_networks=LOOPBACK)


@pytest.fixture
def site(farm: Farm, clock: MovableClock) -> Iterator[Site]:
    with served(the_app(), farm) as url:
        site = Site(farm, url, clock)
        yield site
        site.session.close()
