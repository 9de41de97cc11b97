"""The farm as its own API tells it, all of it: what the other protocols' words are compared with."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from chalicelib.dialects.transcode import translate as transcode
from tests.simulated.calling import Caller

ENDED = ("completed", "failed", "canceled")


def everything(caller: Caller, path: str) -> list[dict[str, Any]]:
    """All pages of a list of `/api/v1`."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = caller.ok("GET", f"/api/v1{path}", params={"limit": 1000, **({"cursor": cursor} if cursor else {})})
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = page["next"]


class Truth:
    def __init__(self, caller: Caller) -> None:
        self.jobs = {job["id"]: job for job in everything(caller, "/jobs")}
        self.workers = {worker["id"]: worker for worker in everything(caller, "/workers")}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.tasks_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for job in self.jobs:
            for task in everything(caller, f"/jobs/{job}/tasks"):
                self.tasks[task["id"]] = task
                self.tasks_of[job].append(task)
            self.tasks_of[job].sort(key=lambda task: int(task["id"]))
        self._by_name = {job["name"]: id for id, job in self.jobs.items()}

    def job_called(self, name: str) -> str | None:
        return self._by_name.get(name)

    def task_named(self, name: tuple[str, str]) -> dict[str, Any] | None:
        """The task that a worker calls so; None if it is gone with its job."""
        kind, text = name
        if kind == "task":
            return self.tasks.get(text)
        if kind == "job":
            return self._only_task_of(text)
        if kind == "flamenco1":
            return self._only_task_of(self._by_name.get(f"print_string {text}", ""))
        job, segment, task = transcode.task_parts(text)
        assert task == 0, "the jobs of these tests have one task per segment"
        found = [one for one in self.tasks_of.get(str(job), ()) if one["name"].startswith("convert")]
        return found[segment] if found else None

    def _only_task_of(self, job: str) -> dict[str, Any] | None:
        found = self.tasks_of.get(job)
        return found[0] if found else None
