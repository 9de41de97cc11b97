"""Runs runtimes outside of a farm: an attempt with a real context, work folder and log, and nothing mocked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from millrace.agent.attempt import Attempt
from millrace.agent.context import Context, task_environment
from millrace.agent.isolation import Isolation
from millrace.agent.lease import Lease, boot_seconds
from millrace.agent.protocol import Assignment, LeaseId
from millrace.agent.tasklog import TaskLog, log_path
from millrace.runtimes import run_command
from millrace.runtimes.function import DEFAULT_INTERPRETERS
from millrace.runtimes.produced import Produced


class Workbench:
    """One attempt whose commands are run by hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.work = folder / "work" / "7-1"
        self.work.mkdir(parents=True)
        task = Assignment(LeaseId("7", 1), "5", "bench", "bench job", "debug", 120.0, ())
        self.attempt = Attempt(task, Lease(boot_seconds(), 120.0))
        self._log = TaskLog(folder, task.lease)
        self.context = Context(
            self.attempt, self._log, self.work, task_environment(task, self.work), DEFAULT_INTERPRETERS
        )

    def keep_apart(self, isolation: Isolation) -> None:
        """From here on the task's programs run so."""
        isolation.hand_over(self.work)
        environment = task_environment(self.attempt.assignment, self.work)
        self.context = Context(self.attempt, self._log, self.work, environment, DEFAULT_INTERPRETERS, isolation)

    def run(self, command: str, **settings: Any) -> Produced:
        return run_command(self.context, command, settings)

    def log(self) -> str:
        return log_path(self._folder, self.attempt.id).read_text()

    def close(self) -> None:
        self.attempt.ended()
        self._log.close()
