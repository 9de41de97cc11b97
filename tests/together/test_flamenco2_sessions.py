"""A worker of Flamenco 2 at a farm of real processes, call by call as the real one was seen on the wire."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from millrace import Farm
from tests.together.conftest import Found
from tests.worker.processes import until

SECRET = "hJ4rT0wq9LzXcV8bNm2KpQ7sYd5FgE3aUi6OoRt1WxZvCyBnM4kLjHgFdSaPqWeR"
NAP = {"name": "sleep", "settings": {"time_in_seconds": 0.1}}
BEGINS = (
    '{"activity":"","current_command_idx":0,"task_progress_percentage":0,"command_progress_percentage":0,'
    '"metrics":{"timing":{}},"task_status":"active"}'
)
"""Literally what it sends first."""


class Worker:
    """Joins paths to the manager's URL as absolute ones, and takes only the answers that the real one takes."""

    def __init__(self, url: str, nickname: str) -> None:
        self.url, self.nickname = url + "/somewhere/below/", nickname
        self.id = ""
        self.jobs: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"User-Agent": "Flamenco-Worker/2.5"} | ({"Content-Type": "application/json"} if body else {})
        data = body if isinstance(body, str) or body is None else json.dumps(body)
        auth = (self.id, SECRET) if self.id else None
        return requests.request(
            method, urljoin(self.url, path), data=data, headers=headers, auth=auth, timeout=10, allow_redirects=False
        )

    def nothing(self, method: str, path: str, body: Any = None) -> None:
        answer = self.call(method, path, body)
        assert (answer.status_code, answer.content) == (204, b""), (path, answer.status_code, answer.text)

    def register(self, *task_types: str) -> None:
        self.id = ""
        said = {"secret": SECRET, "platform": "linux", "supported_task_types": task_types, "nickname": self.nickname}
        answer = self.call("POST", "/register-worker", said)
        assert answer.status_code == 200, answer.text
        self.id = answer.json()["_id"]

    def task(self) -> dict[str, Any] | None:
        answer = self.call("POST", "/task")
        assert answer.status_code in (200, 204), answer.text
        if answer.status_code == 204:
            return None
        task: dict[str, Any] = answer.json()
        assert all(command["name"] and isinstance(command["settings"], dict) for command in task["commands"])
        return task

    def may_run(self, task: dict[str, Any]) -> dict[str, Any]:
        answer = self.call("GET", f"/may-i-run/{task['_id']}")
        assert answer.status_code == 200
        return dict(answer.json())

    def update(self, task: dict[str, Any], body: Any) -> None:
        self.nothing("POST", f"/tasks/{task['_id']}/update", body)

    def run(self, task: dict[str, Any]) -> None:
        """From the first word to the last."""
        self.update(task, BEGINS)
        assert self.may_run(task) == {"may_keep_running": True}
        self.update(task, {"activity": "sleeping", "current_command_idx": 0, "log": "2026-01-05T10:00:00+00:00: zzz"})
        assert self.may_run(task) == {"may_keep_running": True}
        said = {"activity": "Task completed", "task_status": "completed", "metrics": {"timing": {"total": 0.1}}}
        self.update(task, {**said, "current_command_idx": 1, "log": "2026-01-05T10:00:01+00:00: done"})

    def log(self, task: dict[str, Any]) -> str:
        return requests.get(urljoin(self.url, f"/logfile/{task['job']}/{task['_id']}"), timeout=10).text


def naps(farm: Farm, count: int) -> Any:
    tasks = [{"name": f"nap-{n}", "task_type": "foreign-nap", "commands": [NAP]} for n in range(count)]
    return farm.submit("commands", {"tasks": tasks}, name="naps")


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_normal_session_from_registration_to_sign_off(found: Found, method: str) -> None:
    """Also with the call that the original's document names for the same thing."""
    ensemble = found()
    farm, worker = ensemble.farm, Worker(ensemble.server.url, "node7")
    worker.register("foreign-nap", "debug")
    worker.nothing(method, "/task")
    job = naps(farm, 2)
    first = worker.call(method, "/task").json()
    worker.run(first)
    second = worker.task()
    assert second is not None and second["name"] == "nap-1"
    worker.run(second)
    assert worker.task() is None
    worker.nothing("GET", "/status-change")
    worker.nothing("POST", "/sign-off")
    assert farm.wait(job, timeout=10).status == "completed"
    log = worker.log(first).splitlines()
    assert "Manager assigned task" in log[0]
    assert log[1:] == ["2026-01-05T10:00:00+00:00: zzz", "2026-01-05T10:00:01+00:00: done"]


def test_a_worker_and_its_task_outlive_the_manager(found: Found) -> None:
    """It is killed while a task runs; the worker goes on with its stored credentials, and so does its task."""
    ensemble = found()
    farm, worker = ensemble.farm, Worker(ensemble.server.url, "node7")
    worker.register("foreign-nap")
    job = naps(farm, 1)
    task = worker.task()
    assert task is not None
    worker.update(task, BEGINS)
    ensemble.server.kill()
    with pytest.raises(requests.ConnectionError):
        worker.may_run(task)
    ensemble.server.start()
    worker.nothing("POST", "/sign-on", {"supported_task_types": ["foreign-nap"], "nickname": "renamed"})
    assert worker.task() == task, "the one that it holds"
    worker.run(task)
    assert farm.wait(job, timeout=10).status == "completed"
    [shown] = farm.workers()
    assert shown.name == "renamed"
    assert worker.log(task).count("Manager assigned task") == 2


def test_a_session_that_is_put_to_sleep_woken_canceled_and_shut_down(found: Found) -> None:
    ensemble = found()
    farm, worker = ensemble.farm, Worker(ensemble.server.url, "node7")
    worker.register("foreign-nap")

    def ask(word: str) -> None:
        form = {"action": "set-status", "status": word}
        answer = requests.post(f"{ensemble.server.url}/worker-action/{worker.id}", data=form, timeout=10)
        assert answer.status_code == 204

    ask("asleep")
    answer = worker.call("POST", "/task")
    assert (answer.status_code, answer.content) == (423, b'{"status_requested":"asleep"}')
    worker.nothing("POST", "/ack-status-change/asleep")
    worker.nothing("GET", "/status-change")
    ask("awake")
    assert worker.call("GET", "/status-change").content == b'{"status_requested":"awake"}'
    worker.nothing("POST", "/ack-status-change/awake")
    job = naps(farm, 1)
    task = worker.task()
    assert task is not None
    worker.update(task, BEGINS)
    farm.cancel(job)
    reason = f"task {task['_id']} in non-runnable status cancel-requested"
    until(lambda: worker.may_run(task) == {"may_keep_running": False, "reason": reason}, "the word to stop", 10)
    worker.update(task, {"log": "aborted"})
    worker.nothing("POST", f"/tasks/{task['_id']}/return")
    assert farm.wait(job, timeout=10).status == "canceled"
    ask("shutdown")
    assert worker.call("POST", "/task").json() == {"status_requested": "shutdown"}
    worker.nothing("POST", "/sign-off")
    assert [shown.status for shown in farm.workers()] == ["offline"]
