"""What happens to each attempt, as log lines: only where somebody collects them (MILLRACE_LOG=json switches them on).

Every line has `lease`, `<task>-<generation>`: the worker writes the same into its own log, and the task finds both
halves in its environment (MILLRACE_TASK, MILLRACE_ATTEMPT). So one search shows an attempt from the claim to the event.
"""

from __future__ import annotations

import logging

from .model import JobId, TaskId, WorkerId

LOGGER = __name__
_log = logging.getLogger(LOGGER)


def attempt(action: str, job: JobId, task: TaskId, generation: int, worker: WorkerId | None, **more: object) -> None:
    """`action`: `claimed` or `ended`."""
    if _log.isEnabledFor(logging.INFO):
        ids = {"job": str(job), "task": str(task), "lease": f"{task}-{generation}", "worker": str(worker)}
        _log.info("attempt %s", action, extra={"action": action, **ids, **more})


def tasks_changed(tasks: list[TaskId]) -> None:
    """The event feed has told of these."""
    if _log.isEnabledFor(logging.INFO):
        _log.info("changes of %d tasks", len(tasks), extra={"action": "changed", "tasks": [str(one) for one in tasks]})
