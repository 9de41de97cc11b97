"""A small process beside the agent that ends the agent's tasks when the agent cannot: killed, stopped or stuck.

The agent starts it and keeps a pipe to it open. The end of the pipe means that the agent is gone: every left-over task
process is killed at once, long before the lease lets another worker begin. Through the pipe come the times by which
each attempt must be over; when one passes, the guard kills that attempt itself, and whatever is started for it
afterwards: an agent that was frozen just before it started a command starts it when it wakes.

The guard holds `guard.lock` while it lives, and a new agent waits for that lock: a guard still clearing up would
otherwise take the new agent's tasks for left-overs. Not on Windows, where a lock cannot be handed on.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from millrace.agent.errors import StartError
from millrace.agent.lease import boot_seconds
from millrace.agent.observe import WARNING, say
from millrace.agent.processes import end_leftovers, end_work
from millrace.agent.shield import environment_without_secrets
from millrace.agent.state import try_lock

_LOOK_SECONDS = 0.25
_START = "import sys; sys.path.insert(0, sys.argv[1]); from millrace.agent.guard import main; main(sys.argv[2])"


class Guard:
    """The agent's end of the pipe. Closing it, in whatever way, is the signal."""

    def __init__(self, work_root: Path, lock_path: Path) -> None:
        self._work_root = work_root
        self._lock_path = lock_path
        self._process: subprocess.Popen[bytes] | None = None
        self._told: dict[str, float] = {}
        self._telling = threading.Lock()

    def start(self) -> None:
        """Wait until an earlier guard is through, then begin guarding. Does nothing on Windows."""
        if sys.platform == "win32":
            return
        with open(self._lock_path, "a+", encoding="utf-8") as lock:
            deadline = time.monotonic() + 10
            while not try_lock(lock):
                if time.monotonic() > deadline:
                    raise StartError(f"the guard of an earlier agent still holds {self._lock_path}", 2)
                time.sleep(0.05)
            # The lock goes with the open file to the guard, and stays with it when ours is closed here.
            package = Path(__file__).parents[2]
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, str(package), str(self._work_root)],
                env=environment_without_secrets(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )

    def tell(self, ends_at: Mapping[str, float]) -> None:
        """These attempts (work folder: time on the boot clock) must be over by then; replaces what was told before."""
        with self._telling:
            if self._process is None or self._process.stdin is None or dict(ends_at) == self._told:
                return
            self._told = dict(ends_at)
            try:
                self._process.stdin.write(json.dumps(self._told).encode() + b"\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                say("guard", "The guard process is gone; starting another.", level=WARNING)
                self._process.wait()
                self._told = {}
                self.start()

    def end(self) -> None:
        """The agent ends in order: so does the guard."""
        with self._telling:
            # From here on nobody may take the closed pipe for a guard that died, and start another.
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait(15)


def main(work_root: str) -> None:
    """The guard itself: listens until the pipe ends, kills what is overdue, and at the end all that is left."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A service manager sends its notice to every process of a service; the agent is to drain under our watch.
        signal.signal(number, signal.SIG_IGN)
    ends_at: dict[str, float] = {}
    pending = b""
    while True:
        ready, _, _ = select.select([0], [], [], _LOOK_SECONDS)
        if ready:
            block = os.read(0, 65536)
            if not block:
                break
            *lines, pending = (pending + block).split(b"\n")
            ends_at = json.loads(lines[-1]) if lines else ends_at
        for work in [work for work, end in ends_at.items() if boot_seconds() >= end]:
            end_work(Path(work))
    end_leftovers(Path(work_root))
