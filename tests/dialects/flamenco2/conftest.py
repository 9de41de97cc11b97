"""A farm on one machine behind the real embedded server, and a worker of Flamenco 2 by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import requests
from chalice import Chalice

from chalicelib.api import routes as api
from chalicelib.core import jobs, leases
from chalicelib.core.farm import Farm
from chalicelib.core.model import Job, Task
from chalicelib.dialects.flamenco2 import routes
from chalicelib.dialects.pleiades import routes as pleiades
from chalicelib.edge import hexids
from tests.dialects.conftest import MovableClock, ServedFarm, app_of, served

SECRET = "hJ4rT0wq9LzXcV8bNm2KpQ7sYd5FgE3aUi6OoRt1WxZvCyBnM4kLjHgFdSaPqWeR"


def command(name: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "settings": settings}


@dataclass
class Site(ServedFarm):
    answer_seconds = 3
    """All that a real worker waits."""

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        if body is not None:
            options["json"] = body
        return self.call("POST", path, **options)

    def worker(self, *task_types: str, nickname: str = "node7", secret: str = SECRET) -> Flamenco:
        said = {
            "secret": secret,
            "platform": "linux",
            "supported_task_types": list(task_types or ("sleep",)),
            "nickname": nickname,
        }
        answer = self.post("/register-worker", said)
        assert answer.status_code == 200, answer.text
        return Flamenco(self, answer.json()["_id"], secret)

    def submit(self, count: int = 1, task_type: str = "sleep", **wanted: Any) -> Job:
        tasks = [
            {"name": f"nap-{n}", "task_type": task_type, "commands": [command("echo", message=f"good night {n}")]}
            for n in range(1, count + 1)
        ]
        return self.submit_tasks(tasks, **wanted)

    def submit_tasks(self, tasks: list[dict[str, Any]], **wanted: Any) -> Job:
        return jobs.submit(self.farm, jobs.Submission("a job", "commands", {"tasks": tasks}, **wanted))

    def task(self, task_id: str) -> Task:
        return leases.get(self.farm, hexids.id_of(task_id))

    def tasks(self, job: Job) -> list[Task]:
        steps = self.farm.jobs.steps(job.id)
        return [t for s in steps if s.count for t in self.farm.tasks.range(s.base, s.base + s.count - 1)]

    def statuses(self, job: Job) -> list[str]:
        return [task.status.value for task in self.tasks(job)]

    def log(self, document: dict[str, Any], agent: str = "curl/8") -> str:
        answer = self.get(f"/logfile/{document['job']}/{document['_id']}", headers={"User-Agent": agent})
        assert answer.status_code == 200, answer.text
        return answer.text

    def seen(self, worker: Flamenco) -> dict[str, Any]:
        """The worker as the dashboard shows it."""
        [document] = [w for w in self.get("/as-json").json()["workers"] if w["_id"] == worker.id]
        return dict(document)


@dataclass
class Flamenco:
    """A worker as the real one is: Basic auth, bodies only where it has something to say."""

    site: Site
    id: str
    secret: str

    def get(self, path: str, **options: Any) -> requests.Response:
        return self._call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        if body is not None:
            options["json"] = body
        return self._call("POST", path, **options)

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"User-Agent": "Flamenco-Worker/2.5", **options.pop("headers", {})}
        return self.site.call(method, path, auth=(self.id, self.secret), headers=headers, **options)

    def ask(self) -> dict[str, Any] | None:
        """The task it gets, or None."""
        answer = self.post("/task")
        assert answer.status_code in (200, 204), (answer.status_code, answer.text)
        return dict(answer.json()) if answer.status_code == 200 else None

    def take(self) -> dict[str, Any]:
        document = self.ask()
        assert document is not None
        return document

    def says(self, task: dict[str, Any], status: str | None = None, **fields: Any) -> int:
        """Send an update; its status code."""
        said = {"task_status": status, **fields} if status is not None else fields
        return self.post(f"/tasks/{task['_id']}/update", said).status_code

    def fail(self, task: dict[str, Any], activity: str = "it broke") -> None:
        assert self.says(task, "failed", activity=activity) == 204

    def may_run(self, task: dict[str, Any]) -> dict[str, Any]:
        answer = self.get(f"/may-i-run/{task['_id']}")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        assert found.keys() <= {"may_keep_running", "reason", "status_requested"}
        assert isinstance(found["may_keep_running"], bool)
        return found

    def give_back(self, task: dict[str, Any]) -> None:
        assert self.post(f"/tasks/{task['_id']}/return").status_code == 204

    def asked_to_become(self, word: str, lazy: str = "false") -> None:
        """A person at the dashboard."""
        form = {"action": "set-status", "status": word, "lazy": lazy}
        assert self.site.post(f"/worker-action/{self.id}", data=form).status_code == 204


@cache
def the_app() -> Chalice:
    return app_of("flamenco2-room", api.blueprint, pleiades.blueprint, routes.blueprint)


@pytest.fixture
def site(farm: Farm, clock: MovableClock) -> Iterator[Site]:
    with served(the_app(), farm) as url:
        site = Site(farm, url, clock)
        yield site
        site.session.close()
