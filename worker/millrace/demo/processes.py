"""The demo's farm and workers: processes of their own, with their output in log files, ended whatever happens.

Each leads a session, so that Ctrl-C reaches only the demo, which then ends them in the right order. A worker that does
not end in time is killed, and then what its tasks left running, by the same code that cleans up after a crashed agent.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from millrace.agent.processes import end_leftovers
from millrace.cli.serving import home, server_command
from millrace.demo.failure import DemoFailed

START_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass
class Child:
    """A process of the demo, by the name that people see."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    state: Path | None = None

    @classmethod
    def start(cls, name: str, command: Sequence[str], folder: Path, *, cwd: Path, state: Path | None = None) -> Child:
        log = folder / f"{name}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MILLRACE_")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log, state)

    def check(self) -> None:
        """Raises DemoFailed if it has ended."""
        code = self.process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise DemoFailed(f"the {self.name} {how}", self.log)

    def ask_to_end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._kill()
        if self.state and (self.state / "work").is_dir():
            end_leftovers(self.state / "work")

    def _kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended just now
        self.process.wait()


@dataclass
class Processes:
    """All of them, in the order of their start; as a context they are ended in the opposite order."""

    folder: Path
    children: list[Child] = field(default_factory=list)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *exc: object) -> None:
        """Workers first, so that they can sign off; a second Ctrl-C does not leave anything behind."""
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            workers, farms = self.children[1:], self.children[:1]
            for group in (workers, farms):
                deadline = time.monotonic() + STOP_SECONDS
                for child in group:
                    child.ask_to_end()
                for child in group:
                    child.end(deadline)
        finally:
            signal.signal(signal.SIGINT, previous)

    def serve(self) -> str:
        """Start the farm; its URL once it is ready."""
        arguments = ["--host", "127.0.0.1", "--port", str(free_port()), "--data", str(self.folder / "farm")]
        child = Child.start("farm", server_command([*arguments, "--auth", "open"]), self.folder, cwd=home())
        self.children.append(child)
        deadline = time.monotonic() + START_SECONDS
        while not (url := announced_url(child.log)):
            child.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"the farm was not ready within {START_SECONDS:.0f} s", child.log)
            time.sleep(0.05)
        return url

    def work(self, url: str, name: str) -> None:
        """Start a worker."""
        state = self.folder / f"{name}-state"
        command = [sys.executable, "-m", "millrace.cli", "worker", "--farm", url, "--name", name, "--state", str(state)]
        self.children.append(Child.start(name, command, self.folder, cwd=self.folder, state=state))

    def check(self) -> None:
        """Raises DemoFailed if one of them has ended."""
        for child in self.children:
            child.check()


def announced_url(log: Path) -> str | None:
    """What follows `ready ` at the start of a complete line."""
    for line in log.read_text(errors="replace").splitlines(keepends=True):
        if line.startswith("ready ") and line.endswith("\n"):
            return line.split()[1]
    return None


def free_port() -> int:
    """Another process may take it before the farm does; then the farm says so, and the demo fails with that."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
