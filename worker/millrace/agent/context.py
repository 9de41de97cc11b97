"""What a runtime sees of the attempt it runs in: the work folder, the log, progress, and a way to run programs.

Made by `execution` for each attempt, passed to every runtime. A program runs in a session of its own with a clean
environment; its output goes to the log as it comes; when the attempt is stopped it is ended and `Stopped` is raised
here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from millrace.agent.attempt import NOTIFY_SECONDS, Attempt, Progress
from millrace.agent.errors import CannotStart, CommandFailed
from millrace.agent.isolation import NO_ISOLATION, Isolation
from millrace.agent.process_table import WORK_VARIABLE
from millrace.agent.processes import ProcessTree
from millrace.agent.protocol import Assignment
from millrace.agent.tasklog import TaskLog

_KEPT_ON_WINDOWS = ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "TEMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA")


def task_environment(task: Assignment, work: Path) -> dict[str, str]:
    """The environment of a task's programs. Built up, not cut down: no token or secret can slip through."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", str(work)),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "TMPDIR": str(work),
        "MILLRACE_JOB": task.job,
        "MILLRACE_TASK": task.lease.task,
        "MILLRACE_ATTEMPT": str(task.lease.generation),
        WORK_VARIABLE: str(work),
    }
    if sys.platform == "win32":
        environment |= {name: os.environ[name] for name in _KEPT_ON_WINDOWS if name in os.environ}
    return environment


class Context:
    """One attempt, as its runtimes see it."""

    def __init__(
        self,
        attempt: Attempt,
        log: TaskLog,
        work: Path,
        environment: Mapping[str, str],
        interpreters: Mapping[str, Sequence[str]],
        isolation: Isolation = NO_ISOLATION,
    ) -> None:
        self._attempt = attempt
        self._log = log
        self._environment = {**environment, **isolation.environment()}
        self.isolation = isolation
        self.work = work
        self.interpreters = interpreters
        self._dumped_core = False
        self.limits_met: str | None = None
        """Of the last program that failed: at which limit of its control group the kernel stopped it, for people."""

    def say(self, line: str) -> None:
        """A line of ours in the task's log."""
        self._log.line(line)

    def pass_on(self, line: str) -> None:
        """A line of a program's output, which `on_line` took, in the task's log."""
        self._log.text(line + "\n")

    def progress(self, percent: float | None, activity: str | None = None) -> None:
        """How far the task is, 0 to 100; sent with the next renewal, at most every 2 s."""
        bounded = None if percent is None else round(min(100.0, max(0.0, percent)), 1)
        self._attempt.lives()
        self._attempt.progressed(Progress(bounded, activity))

    def path(self, name: str) -> Path:
        """A path as settings name it: absolute (shared storage), or relative to the work folder."""
        if "\0" in name:
            raise CommandFailed(f"path {name!r} must not contain NUL")
        return self.work / name

    def make_folder(self, name: str) -> Path:
        """A folder in the work folder, for the task's programs to write to."""
        folder = self.path(name)
        folder.mkdir(exist_ok=True)
        self.isolation.hand_over(self.work)
        return folder

    def wait(self, seconds: float) -> None:
        """Sleep; raises `Stopped` as soon as the attempt is stopped. 0 only asks."""
        self._attempt.lives()
        self._attempt.wait(seconds)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Path | None = None,
        stdout: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        quiet_stderr: bool = False,
        folder: Path | None = None,
        notify_seconds: float = NOTIFY_SECONDS,
        announce: bool = False,
    ) -> int:
        """Run a program to its end and return its exit code (negative: killed by that signal).

        Output goes to the log, both streams merged, unless stdout goes to a file (`stdout`) or line by line to
        `on_line`; then stderr alone is logged. `quiet_stderr` keeps stderr out of the log: for programs asked about
        something, whose chatter `on_line` then gets instead. `folder`: where to run, if not in the work folder.
        `notify_seconds`: how long it may take to end when it is asked to. `announce`: tell the farm at once that it
        has started. Raises `CannotStart`.
        """
        with _opened(stdin, "rb") as source, _opened(stdout, "wb") as target:
            merged = target is None and on_line is None
            errors = subprocess.STDOUT if merged or quiet_stderr else subprocess.PIPE
            tree = self._start(
                argv,
                work=self.work,
                folder=folder,
                environment=self._environment,
                stdin=source,
                stdout=target if target is not None else subprocess.PIPE,
                stderr=errors,
                isolation=self.isolation,
            )
            self._attempt.started(tree, notify_seconds)
            if announce:
                self._attempt.progressed(Progress(None, f"started pid {tree.pid}"), urgent=True)
            followers = self._follow(tree, on_line)
            try:
                exit_code = tree.wait()
                self._dumped_core, self.limits_met = tree.dumped_core, tree.limits_met
            finally:
                # Daemons left behind would hold the pipes open, and outlive the task.
                self._attempt.ended()
            for follower in followers:
                # Only a program that hid from us completely can hold a pipe open now; it must not hold the task.
                follower.join(5)
        self._attempt.check()
        if self.limits_met is not None:
            self._log.line(self.limits_met)
        return exit_code

    def run_or_fail(self, command: str, argv: Sequence[str], **rest: object) -> None:
        """`run`, and `CommandFailed` naming `command` when the exit code is not 0."""
        exit_code = self.run(argv, **rest)  # type: ignore[arg-type]  # passes run's own keywords on
        if exit_code != 0:
            core = " (core dumped)" if self._dumped_core else ""
            limits = f"; {self.limits_met}" if self.limits_met else ""
            raise CommandFailed(f"{command}: {describe_exit(exit_code)}{core}{limits}", exit_code)

    def _start(self, argv: Sequence[str], **how: Any) -> ProcessTree:
        self._attempt.check()
        try:
            return ProcessTree.start(argv, **how)
        except (OSError, ValueError) as error:
            raise CannotStart(argv[0], error) from error

    def _follow(self, tree: ProcessTree, on_line: Callable[[str], None] | None) -> list[threading.Thread]:
        """A thread per pipe. They never wait for the network, so the program never waits for them."""
        threads = []
        for pipe in (tree.stdout, tree.stderr):
            if pipe is not None:
                to_lines = on_line is not None and pipe is tree.stdout
                lives = self._attempt.lives
                follow = partial(self._log.follow, on_output=lives)
                consume = partial(_each_line, on_line=on_line, on_output=lives) if on_line and to_lines else follow
                threads.append(threading.Thread(target=_drain, args=(pipe, consume), name="output", daemon=True))
        for thread in threads:
            thread.start()
        return threads


def describe_exit(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else f"killed by signal {-exit_code}"


def _each_line(pipe: IO[bytes], on_line: Callable[[str], None], on_output: Callable[[], None]) -> None:
    for line in pipe:
        on_output()
        on_line(line.decode("utf-8", "replace").rstrip("\r\n"))


def _drain(pipe: IO[bytes], consume: Callable[[IO[bytes]], None]) -> None:
    with pipe:
        consume(pipe)


@contextmanager
def _opened(path: Path | None, mode: str) -> Iterator[IO[bytes] | None]:
    """A file opened for a program, or None when there is none to open."""
    if path is None:
        yield None
    else:
        with open(path, mode, opener=_no_link) as file:
            yield file


def _no_link(path: str, flags: int) -> int:
    """What an earlier program of the task left may be a link to a file of the worker's."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
