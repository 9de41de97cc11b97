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


Listed = list[dict[str, Any]]


class Truth:
    """All jobs, workers and tasks, by id. `tasks_of`: those of a job, in order."""

    def __init__(self, jobs: Listed, workers: Listed, tasks: Listed) -> None:
        self.jobs = {job["id"]: job for job in jobs}
        self.workers = {worker["id"]: worker for worker in workers}
        self.tasks = {task["id"]: task for task in tasks}
        self.tasks_of: dict[str, Listed] = defaultdict(list)
        for task in sorted(tasks, key=lambda task: int(task["id"])):
            self.tasks_of[task["job"]].append(task)
        self._by_name = {job["name"]: job["id"] for job in jobs}

    @classmethod
    def of(cls, caller: Caller) -> Truth:
        jobs, workers = everything(caller, "/jobs"), everything(caller, "/workers")
        tasks = [task for job in jobs for task in everything(caller, f"/jobs/{job['id']}/tasks")]
        return cls(jobs, workers, tasks)

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
