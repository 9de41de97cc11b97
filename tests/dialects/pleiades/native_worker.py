"""A native worker by hand, for tests: `enlist` makes one, `submit` gives it something to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from chalicelib.core import jobs
from chalicelib.core.model import Job
from tests.dialects.pleiades.conftest import Site

RECORDED = Path(__file__).parents[2] / "contract" / "native"
SELF = {
    "name": "node7",
    "task_types": ["sleep", "transcode"],
    "tags": ["gpu"],
    "slots": 2,
    "platform": "linux",
    "software": "millrace-worker/0.1.0",
}


@dataclass
class Native:
    """A worker as our agent is one, by hand."""

    site: Site
    id: str
    secret: str
    asked: int = 0

    def call(self, action: str, body: Any, **options: Any) -> requests.Response:
        url = f"{self.site.url}/worker/{self.id}/{action}"
        return requests.post(url, json=body, auth=(self.id, self.secret), timeout=40, **options)

    def ok(self, action: str, body: Any) -> dict[str, Any]:
        answer = self.call(action, body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert (found["code"], found["status"]) == (0, "ok")
        return found

    def contract(self, **fields: Any) -> dict[str, Any]:
        self.asked += 1
        body = {"request_id": f"k{self.asked}", "slots": 0, "timeout": 0, "held": [], "reports": [], **fields}
        return self.ok("contract", body)

    def take(self) -> dict[str, Any]:
        [assignment] = self.contract(slots=1)["assignments"]
        return dict(assignment)

    def report(self, assignment: dict[str, Any], outcome: str = "completed", **fields: Any) -> dict[str, Any]:
        said = {**lease(assignment), "outcome": outcome, **fields}
        [verdict] = self.contract(reports=[said])["reports"]
        return dict(verdict)


def lease(assignment: dict[str, Any]) -> dict[str, Any]:
    return {"task": assignment["task"], "generation": assignment["generation"]}


def enlist(site: Site, **changes: Any) -> Native:
    answer = site.post("/worker", {"runtime": ["python3", "bash"], "worker": {**SELF, **changes}}).json()
    return Native(site, answer["id"], answer["secret"])


def submit(site: Site, count: int = 1, **wanted: Any) -> Job:
    tasks = [
        {"name": f"t{n}", "task_type": "sleep", "commands": [{"name": "sleep", "settings": {"time_in_seconds": n}}]}
        for n in range(count)
    ]
    return jobs.submit(site.farm, jobs.Submission("a job", "commands", {"tasks": tasks}, **wanted))


def recorded_keys(name: str) -> list[str]:
    body = json.loads((RECORDED / f"{name}.json").read_text())["response"]["body"]
    return list(body)
