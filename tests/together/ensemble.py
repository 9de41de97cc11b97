"""A server and its workers as the processes they are, in one folder; killed and started again at will.

Their output goes to files, which a failing test shows. Nothing of them is left when the test ends, also not what a
killed worker's tasks left running.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from millrace import Farm
from millrace.agent.processes import end_leftovers
from tests.ports import free_port
from tests.worker.processes import until

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 40.0


class Program:
    """One process, started any number of times with the same command, each time appending to the same log."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self.cwd = ROOT
        self.environment = environment
        self.is_over = False
        """Whoever still wants to start it may not."""
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, command: Sequence[str]) -> None:
        assert not self.runs, f"{self.name} runs already"
        assert not self.is_over, f"{self.name} is over"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def terminate(self, seconds: float = 40.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """As a power cut would: no notice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Server(Program):
    """`millrace serve`. It keeps its port over restarts, so that its workers find it again."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], options: Sequence[str] = ()) -> None:
        super().__init__(name, folder, environment)
        self.data = folder / "farm"
        self.url = ""
        self.program: Sequence[str] = ("-m", "chalicelib.embedded")
        self._options = options

    def start(self) -> None:
        """Returns when it is ready."""
        port = self.url.rpartition(":")[2] or str(free_port())
        answered = len(self._addresses())
        self.begin([sys.executable, *self.program, "--port", port, "--data", str(self.data), *self._options])
        until(lambda: len(self._addresses()) > answered or not self.runs, "a ready server", START_SECONDS)
        assert self.runs, self.output
        self.url = self._addresses()[-1]

    def _addresses(self) -> list[str]:
        """Where it has said to be ready. Other threads say things too, and may be in the middle of a line."""
        return re.findall(r"ready (http://\S*:\d+)", self.output)

    @property
    def admin_token(self) -> str:
        """What a new farm with tokens tells once."""
        until(lambda: "admin token" in self.output, "the token", 10)
        return next(line for line in self.output.splitlines() if "admin token" in line).split()[-1]

    def resident_bytes(self, field: str = "VmRSS") -> int:
        """Memory in use now, or at its peak (`VmHWM`)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field} in /proc")


class Worker(Program):
    """`millrace worker`, with a state folder that outlives it."""

    def __init__(self, name: str, url: str, folder: Path, environment: dict[str, str], options: Sequence[str]) -> None:
        super().__init__(name, folder, environment)
        self.state = folder / f"{name}-state"
        self.program: Sequence[str] = (sys.executable, "-m", "millrace.cli")
        self._arguments = ["worker", "--farm", url, "--name", name, "--state", str(self.state), *options]

    def start(self) -> None:
        self.begin([*self.program, *self._arguments])

    def clear_up(self) -> None:
        self.kill()
        if (self.state / "work").is_dir():
            end_leftovers(self.state / "work")


class Ensemble:
    """One farm: `server`, and whatever workers a test asks for. `variables`: the environment of all of them."""

    def __init__(self, folder: Path, variables: dict[str, str], options: Sequence[str] = ()) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "PYTHONUNBUFFERED": "1", **variables}
        self.server = Server("server", folder, self.environment, options)
        self.workers: dict[str, Worker] = {}
        self._others: list[Server] = []

    def start(self) -> Ensemble:
        """Of one that does not get ready nothing is left."""
        try:
            self.server.start()
        except BaseException:
            self.end()
            raise
        return self

    @property
    def farm(self) -> Farm:
        """A client of this farm; patient enough for a restart."""
        return Farm(self.server.url, patience_seconds=20.0)

    def worker(self, name: str, *options: str, url: str | None = None, program: Sequence[str] = ()) -> Worker:
        """A new worker, started. `url`: where it finds the farm, if not at the server itself. `program`: what is run,
        if it is another than `millrace`."""
        one = self.workers[name] = Worker(name, url or self.server.url, self.folder, self.environment, options)
        one.program = program or one.program
        one.start()
        return one

    def another_server(self) -> Server:
        """A second one on the same data folder, started."""
        other = Server("second server", self.folder, self.environment)
        self._others.append(other)
        other.start()
        return other

    def end(self) -> str:
        """Kill everything; what all of them said."""
        for worker in self.workers.values():
            worker.clear_up()
        programs = (self.server, *self._others, *self.workers.values())
        for program in programs:
            program.kill()
        return "\n".join(f"---- {one.name} ----\n{one.output}" for one in programs)
