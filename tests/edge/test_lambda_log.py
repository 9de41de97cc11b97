"""The log of the functions on Lambda: an attempt is followed from the request that claimed it to the event."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "tests" / "events"
WORKER = {"name": "w", "task_types": ["sleep"], "tags": [], "slots": 1, "platform": "linux", "software": "test"}
TASKS = [{"name": "t", "task_type": "sleep", "commands": [{"name": "sleep", "settings": {"time_in_seconds": 0}}]}]


class Lambda:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._calls = 0

    def call(self, function: str, event: Any) -> Any:
        self._calls += 1
        assert self._process.stdin is not None and self._process.stderr is not None
        self._process.stdin.write(json.dumps([function, event, f"call-{self._calls}"]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stderr.readline() or "null")

    def post(self, path: str, body: Any, request: str | None = None, login: tuple[str, str] | None = None) -> Any:
        event = json.loads((EVENTS / "gateway.json").read_text())
        event.update(path=path, httpMethod="POST", body=json.dumps(body), pathParameters={"proxy": path[1:]})
        event["headers"] = {"Host": "localhost", "Content-Type": "application/json"}
        if request is not None:
            event["headers"]["X-Request-Id"] = request
        if login is not None:
            event["headers"]["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        answer = self.call("app", event)
        assert answer is not None, "the process ended"
        return json.loads(answer["body"])

    def log(self) -> list[dict[str, Any]]:
        """All of it; nothing can be called any more. Every line is JSON."""
        output, errors = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, errors
        return [json.loads(line) for line in output.splitlines()]


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Lambda]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_", "AWS_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.edge.lambda_process"],
        cwd=ROOT,
        env={**kept, "MILLRACE_DATA": str(folder), "MILLRACE_AUTH": "open", **settings},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Lambda(process)
    finally:
        process.kill()
        process.communicate()


def an_attempt(functions: Lambda) -> dict[str, str]:
    """One task, from its submission to its event; the lease and the worker's id."""
    functions.post("/api/v1/jobs", {"name": "j", "type": "commands", "settings": {"tasks": TASKS}})
    made = functions.post("/worker", {"runtime": ["bash"], "worker": WORKER})
    path, login = f"/worker/{made['id']}/contract", (made["id"], made["secret"])
    asked = {"slots": 1, "timeout": 0, "held": [], "reports": []}
    [given] = functions.post(path, {**asked, "request_id": "k-claims"}, "k-claims", login)["assignments"]
    lease = {"task": given["task"], "generation": given["generation"]}
    reports = [{**lease, "outcome": "completed"}]
    functions.post(path, {**asked, "request_id": "k-ends", "slots": 0, "reports": reports}, "k-ends", login)
    functions.post(path, {**asked, "request_id": "k-idle"}, "k-idle", login)
    functions.call("table_changed", changed(int(given["task"])))
    return {"task": given["task"], "lease": f"{given['task']}-{given['generation']}", "worker": made["id"]}


def changed(task: int) -> Any:
    event = json.loads((EVENTS / "stream.json").read_text())
    [record] = event["Records"]
    for image in ("Keys", "NewImage", "OldImage"):
        record["dynamodb"][image].update(pk={"S": f"TASKS#{task >> 12}"}, sk={"S": f"{task:016d}"})
    return event


def about(log: list[dict[str, Any]], **fields: str) -> list[dict[str, Any]]:
    return [line for line in log if all(line.get(name) == value for name, value in fields.items())]


def test_an_attempt_is_followed_from_its_request_to_its_event(tmp_path: Path) -> None:
    with started(tmp_path, MILLRACE_LOG="json") as functions:
        ids = an_attempt(functions)
        log = functions.log()
    [claimed] = about(log, action="claimed", lease=ids["lease"])
    assert (claimed["request"], claimed["worker"]) == ("k-claims", ids["worker"])
    [request] = about(log, action="request", request="k-claims")
    assert (request["method"], request["path"], request["status"]) == ("POST", f"/worker/{ids['worker']}/contract", 200)
    assert request["requestId"] == claimed["requestId"] != ""
    [ended] = about(log, action="ended", lease=ids["lease"])
    assert (ended["request"], ended["outcome"]) == ("k-ends", "completed")
    [event] = about(log, action="changed", requestId="call-6")
    assert ids["task"] in map(str, event["tasks"])
    assert not about(log, request="k-idle"), "who asked in vain costs no line"


def test_what_was_refused_has_a_line(tmp_path: Path) -> None:
    with started(tmp_path, MILLRACE_LOG="json") as functions:
        functions.post("/worker/17/contract", {}, "k-stranger")
        [line] = about(functions.log(), request="k-stranger")
    assert line["action"] == "request" and line["status"] in (401, 403, 404)


@pytest.mark.parametrize("form", ["", "text"])
def test_without_the_setting_attempts_have_no_lines(tmp_path: Path, form: str) -> None:
    with started(tmp_path, MILLRACE_LOG=form) as functions:
        an_attempt(functions)
        assert not [
            line for line in functions.log() if line.get("action") in ("request", "claimed", "ended", "changed")
        ]
