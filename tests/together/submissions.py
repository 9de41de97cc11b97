"""What the tests submit: tasks of jobs of type `commands`, and looks at what became of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from millrace import Farm
from millrace.sdk.values import Job
from tests.worker.processes import until


def task(name: str, command: str, settings: dict[str, Any], *, type: str = "exec", **more: Any) -> dict[str, Any]:
    """One task of a job of type `commands`, with one command."""
    return {"name": name, "task_type": type, "commands": [{"name": command, "settings": settings}], **more}


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    """A task that runs a line of sh."""
    return task(name, "exec", {"argv": ["sh", "-c", script]}, **more)


def submit(farm: Farm, *tasks: dict[str, Any], **more: Any) -> Job:
    return farm.submit("commands", {"tasks": list(tasks)}, **more)


def until_status(farm: Farm, job: Job, status: str, seconds: float = 15.0) -> None:
    """Wait until a task of the job has this status."""
    until(lambda: any(one.status == status for one in farm.tasks(job)), f"a task that is {status}", seconds)


def outcomes(farm: Farm, job: Job) -> list[tuple[str, list[str | None]]]:
    """Each task's name and how its attempts ended, in order."""
    return [(one.name, [attempt.outcome for attempt in one.attempts]) for one in farm.tasks(job)]


def counts_equal_tasks(farm: Farm, job: Job) -> bool:
    """The job's counts are those of its tasks."""
    statuses = Counter(one.status for one in farm.tasks(job))
    return statuses == Counter({status: n for status, n in farm.job(job).counts.items() if n})
