"""Processes of a task: started in a session of their own, ended as a whole tree, found again after a crash of the
agent.

How they are found is said in `process_table.py`. Race to know: a pid may be reused. Before a signal goes to a pid found
by scanning, the scan has just matched its session or environment; after a restart of the agent only the environment and
the noted start time count.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from millrace.agent import cgroups
from millrace.agent.durable import read_json, write_json_durably
from millrace.agent.isolation import NO_ISOLATION, Isolation
from millrace.agent.process_table import living, members_of, started_at

POLL_SECONDS = 0.02

_TERMINATE = signal.SIGTERM
_KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


class ProcessTree:
    """A running command and everything it started. `notify` and `kill` may be called from any thread, at any time."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        work: Path,
        note: Path,
        sandboxed: bool = False,
        started: str | None = None,
        group: Path | None = None,
    ) -> None:
        self._process = process
        self._group = group
        self._started = started
        self._sandboxed = sandboxed
        self._work = work
        self._note = note
        self.dumped_core = False
        """Known once `wait` has returned, and only where the system tells."""
        self.limits_met: str | None = None
        """Likewise: at which limit of its control group the kernel stopped it, for people."""
        self._ending = threading.Lock()

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        work: Path,
        environment: Mapping[str, str],
        stdin: IO[bytes] | None,
        stdout: IO[bytes] | int,
        stderr: int,
        folder: Path | None = None,
        isolation: Isolation = NO_ISOLATION,
    ) -> ProcessTree:
        """Start `argv` for the attempt of `work`, in that folder or another. Raises OSError when it cannot be started,
        ValueError for a word with a NUL.
        """
        group = isolation.cgroups.made(work.name) if isolation.cgroups is not None else None
        try:
            process = subprocess.Popen(
                isolation.command(argv, work, folder or work, environment.get("PATH")),
                cwd=folder or work,
                env=dict(environment),
                stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                close_fds=True,
                start_new_session=True,
                **isolation.popen_options(),
            )
        except (OSError, ValueError):
            if group is not None:
                cgroups.remove(group)
            raise
        note, started = work.with_name(work.name + ".pid"), started_at(process.pid)
        noted = {"pid": process.pid, "started": started, **({"cgroup": str(group)} if group else {})}
        try:
            write_json_durably(note, noted)
            if group is not None:
                cgroups.enter(group, process.pid)
        except OSError:
            with process:  # closes its pipes and collects it
                _kill_until_gone(process.pid, work, group)
                note.unlink(missing_ok=True)
                raise
        return cls(process, work, note, isolation.sandbox, started, group)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes] | None:
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes] | None:
        return self._process.stderr

    def wait(self) -> int:
        """The exit code of the command itself; negative for a signal, as subprocess has it."""
        self.dumped_core = _dumps_core(self._process.pid)
        exit_code = self._process.wait()
        if exit_code != 0 and self._group is not None:
            self.limits_met = cgroups.met(self._group)
        return exit_code

    def notify(self) -> None:
        """Ask the whole tree to end (SIGTERM)."""
        self._signal(_TERMINATE)

    def kill(self) -> None:
        """End the whole tree now. A tree that forks while it is killed is killed again until nothing is left."""
        with self._ending:
            for _ in range(50):
                if not self._signal(_KILL):
                    break
                time.sleep(POLL_SECONDS)

    def end(self, grace_seconds: float) -> None:
        """Notify, wait up to `grace_seconds` for every process of the tree, kill what is left, forget the note."""
        if self._signal(_TERMINATE if grace_seconds > 0 else _KILL):
            deadline = time.monotonic() + grace_seconds
            while time.monotonic() < deadline and self._members():
                time.sleep(POLL_SECONDS)
            self.kill()
        if self._group is not None:
            cgroups.remove(self._group)
        self._note.unlink(missing_ok=True)

    def _members(self) -> list[int]:
        own = [self._process.pid] if self._process.poll() is None else []
        own += [pid for pid in _living(self._group) if pid not in own]
        return own + [pid for pid in members_of(self._process.pid, self._work, self._started) if pid not in own]

    def _signal(self, number: int) -> list[int]:
        """Send to every live member; returns whom it went to."""
        members = self._members()
        if number == _KILL and self._group is not None:
            cgroups.kill(self._group)
        for pid in members:
            if not self._sandboxed or number == _KILL:
                _send(pid, number)
            elif pid != self.pid:
                # The outermost process is the sandbox itself: it ends when what is in it has ended.
                _send_alone(pid, number)
        return members


def _dumps_core(pid: int) -> bool:
    """Waits for the end of a child, without collecting it: subprocess does that, and forgets this."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        how = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:  # another thread looked, and has collected it
        return False
    return how is not None and how.si_code == os.CLD_DUMPED


def end_leftovers(work_root: Path) -> list[int]:
    """Kill what an agent that died here left running; returns the pids. Called once at start, under the state lock."""
    killed: list[int] = []
    for note in sorted(work_root.glob("*.pid")):
        killed += end_work(note.with_suffix(""))
        note.unlink(missing_ok=True)
    for folder in (path for path in work_root.iterdir() if path.is_dir()):
        killed += end_work(folder)
    return killed


def end_work(work: Path) -> list[int]:
    """Kill every process that works in `work`; returns the pids."""
    noted = read_json(work.with_name(work.name + ".pid")) or {}
    pid = noted.get("pid")
    # The same number with another start time, or one that nobody knows, may be somebody else's process.
    started = noted.get("started")
    leader = pid if isinstance(pid, int) and started is not None and started_at(pid) == started else -1
    group = Path(noted["cgroup"]) if isinstance(noted.get("cgroup"), str) else None
    return _kill_until_gone(leader, work, group)


def _kill_until_gone(leader: int, work: Path, group: Path | None) -> list[int]:
    killed: list[int] = []
    for _ in range(50):
        members = [*members_of(leader, work), *_living(group)]
        if not members:
            break
        if group is not None:
            cgroups.kill(group)
        for pid in members:
            _send(pid, _KILL)
        killed += [pid for pid in members if pid not in killed]
        time.sleep(POLL_SECONDS)
    if group is not None:
        cgroups.remove(group)
    return killed


def _living(group: Path | None) -> list[int]:
    """Processes of the control group that have not ended."""
    return [] if group is None else living(cgroups.pids(group))


def _send(pid: int, number: int) -> None:
    try:
        if sys.platform == "win32":
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(pid)], capture_output=True, check=False)
        else:
            _send_to_group_or_process(pid, number)
    except (ProcessLookupError, PermissionError):
        # Gone meanwhile, or it changed its user: nothing an unprivileged agent can do.
        pass


def _send_alone(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _send_to_group_or_process(pid: int, number: int) -> None:
    if sys.platform != "win32":
        try:
            # A group outlives its leader: its number may be all that is left to reach the others by.
            os.killpg(pid, number)
        except ProcessLookupError:
            os.kill(pid, number)
