"""The tasks of a foreign master on this machine: one at a time, each a conversion between two paths of shared storage.

A task is made in a work folder and put to its place when it is complete, so that a half one is never seen there. All
paths must lie in the storage that this worker was started with, links followed: a master names paths, and whoever can
speak for it must not reach the rest of the machine. An agent that dies leaves nothing but its work folder, which the
next start clears.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millrace.agent.attempt import Attempt, StopReason
from millrace.agent.context import Context, task_environment
from millrace.agent.errors import CommandFailed, Stopped
from millrace.agent.lease import Lease, boot_seconds
from millrace.agent.observe import ERROR, say
from millrace.agent.protocol import Assignment, LeaseId
from millrace.agent.tasklog import TaskLog, log_path
from millrace.agent.workfolder import make_work_folder, remove_folder
from millrace.listener.wire import COMPLETED, DONE, FAILED, IN_PROGRESS, READY, BadTask, NewTask, Status
from millrace.runtimes import run_command

KEPT = 100
"""Ended tasks that the master may still ask about."""


class Busy(Exception):
    """Another task is under way."""


@dataclass
class _Running:
    task: NewTask
    attempt: Attempt
    thread: threading.Thread


class Conversions:
    """All methods may be called from any thread. `on_end` is called from the task's own thread."""

    def __init__(self, work_root: Path, storage: Path, on_end: Callable[[Status], None]) -> None:
        self._work_root = work_root
        self._storage = storage.resolve()
        self._on_end = on_end
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._ended: dict[str, Status] = {}
        self._numbers = itertools.count(1)

    @property
    def busy(self) -> bool:
        return self._running is not None

    def add(self, task: NewTask) -> None:
        """Begin the task; one that runs already is not begun twice. Raises BadTask, Busy."""
        source, target = self._places(task)
        with self._lock:
            if self._running is not None:
                if self._running.task.id == task.id:
                    return
                raise Busy(f"task {self._running.task.id} is under way")
            self._ended.pop(task.id, None)
            lease = LeaseId(str(next(self._numbers)), 1)
            work = Assignment(lease, "0", task.id, "for a foreign master", "transcode", float("inf"), ())
            attempt = Attempt(work, Lease(boot_seconds(), float("inf")))
            run = threading.Thread(target=self._run, args=(task, attempt, source, target), name=f"task {task.id}")
            self._running = _Running(task, attempt, run)
        run.start()

    def status(self, task_id: str) -> Status | None:
        """None for a task that this worker does not know."""
        with self._lock:
            running = self._running
            if running is not None and running.task.id == task_id:
                return Status(task_id, IN_PROGRESS, DONE, running.attempt.progress.percent or 0.0)
            return self._ended.get(task_id)

    def cancel(self, task_id: str) -> bool:
        """Stop it if it runs; False for a task that this worker does not know."""
        with self._lock:
            running, known = self._running, task_id in self._ended
        if running is None or running.task.id != task_id:
            return known
        running.attempt.stop(StopReason.CANCELED)
        return True

    def stop(self) -> None:
        """End what runs; returns when it has ended."""
        with self._lock:
            running = self._running
        if running is not None:
            running.attempt.stop(StopReason.INTERRUPTED)
            running.thread.join(30)

    # ---- in the task's thread

    def _run(self, task: NewTask, attempt: Attempt, source: Path, target: Path) -> None:
        say("start", "A foreign master's task starts.", task=task.id)
        state, result = COMPLETED, FAILED
        try:
            self._convert(task, attempt, source, target)
            result = DONE
        except Stopped:
            state = READY  # what the protocol makes of a task that was canceled
        except CommandFailed as failure:
            state = READY if attempt.reason is not None else COMPLETED
            say("end", f"The task failed: {failure}", level=ERROR, task=task.id)
        except Exception as error:
            say("fault", f"The worker failed in a task: {error!r}", level=ERROR, task=task.id)
        status = Status(task.id, state, result, 100.0 if result == DONE else 0.0)
        with self._lock:
            self._ended[task.id] = status
            while len(self._ended) > KEPT:
                del self._ended[next(iter(self._ended))]
            self._running = None
        say("end", "A foreign master's task has ended.", task=task.id, state=state, result=result)
        self._on_end(status)

    def _convert(self, task: NewTask, attempt: Attempt, source: Path, target: Path) -> None:
        work = make_work_folder(self._work_root, attempt.id)
        log = TaskLog(self._work_root, attempt.id)
        context = Context(attempt, log, work, task_environment(attempt.assignment, work), {})
        made = f"output.{task.format}"
        cut = {"start_seconds": task.start_seconds, "end_seconds": task.end_seconds}
        try:
            run_command(context, "transcode_file", {"input": str(source), "format": task.format, "output": made, **cut})
            run_command(context, "copy_file", {"src": made, "dest": str(target)})
        finally:
            attempt.ended()
            log.close()
            log_path(self._work_root, attempt.id).unlink(missing_ok=True)
            remove_folder(work)

    # ---- places

    def _places(self, task: NewTask) -> tuple[Path, Path]:
        """Where the source is and where the result goes. Raises BadTask."""
        source = self._inside(task.source, "src_filename")
        name = re.split(r"[/\\]", task.source)[-1]
        if not name or not source.is_file():
            raise BadTask(f"src_filename {task.source!r} is no file here")
        return source, self._inside(os.path.join(task.folder, f"{name}.{task.format}"), "dst_dir")

    def _inside(self, name: str, what: str) -> Path:
        path = (self._storage / name).resolve()
        if not path.is_relative_to(self._storage):
            raise BadTask(f"{what} {name!r} is outside of this worker's storage {str(self._storage)!r}")
        return path
