"""Tasks kept apart from their worker, as far as the platform gives: another user, limits, a sandbox.

Without any of it a task is a process of the worker's user, with a clean environment, in a folder of its own; it can
read whatever that user can, the worker's secret included. What can be asked for:

    user       tasks run as this user; the worker must be root (Unix)
    sandbox    tasks run in bubblewrap (Linux): they see the machine read-only, the worker's state, other tasks'
               folders and processes and what listens in /run not at all, and write to their work folder and the
               folders named alone
    memory_bytes, cpu_seconds   for each process of a task (Unix): address space, processor time
    cgroups    a control group for each attempt (Linux, v2): memory, processors and processes of a task as a whole

`prepared` tries once, when the worker starts, what was asked for: a worker that cannot give it does not start. With a
user or a sandbox only programs do a task's work: a command by which the worker itself would touch files is refused
(`CONFINED`), for it would touch them with the worker's rights, through whatever links an earlier command has left.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from millrace.agent import cgroups
from millrace.agent.cgroups import Cgroups
from millrace.agent.errors import StartError

CONFINED = frozenset({"echo", "log_a_lot", "sleep", "exec", "function", "run_frames"})
"""Commands that do all that they do to files in programs."""
CONFINED_TYPES = ("sleep", "debug", "exec")
TRY_SECONDS = 20.0
_OF_RUN = ("/run/systemd/resolve", "/run/current-system", "/run/opengl-driver")
"""Of /run, where sockets would do things for a task outside of its sandbox (D-Bus, Docker), only this is shown: for
looking up names, and where NixOS has its programs."""
_DEVICES = ("/dev/dri", "/dev/kfd", "/dev/nvidia*")
"""Graphics processors, for those who render on them."""


@dataclass(frozen=True)
class TaskUser:
    """The user of tasks."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class Isolation:
    """What a worker does to keep its tasks apart. The default does nothing more than every worker does."""

    user: TaskUser | None = None
    sandbox: bool = False
    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    hidden: tuple[Path, ...] = ()
    """Folders that the sandbox does not show: the state of workers."""
    writable: tuple[Path, ...] = ()
    """Folders that the sandbox lets tasks write to besides their work folder: shared storage."""
    cgroups: Cgroups | None = None
    """With them `memory_bytes` counts for a task as a whole, and there."""

    @property
    def confines(self) -> bool:
        return self.user is not None or self.sandbox

    @property
    def _limits(self) -> str:
        """For a POSIX shell. A core would hold what the task had in memory, and fill the disk."""
        address_space = self.memory_bytes // 1024 if self.memory_bytes and self.cgroups is None else None
        limits = {"-v": address_space, "-t": self.cpu_seconds}
        enters = [cgroups.ENTER] if self.cgroups is not None else []
        return " && ".join(enters + [f"ulimit {flag} {value}" for flag, value in limits.items() if value])

    def command(self, argv: Sequence[str], work: Path, folder: Path, path: str | None) -> list[str]:
        """What is started in place of `argv`. Raises OSError for a program that is not there, as if it were started."""
        command = list(argv)
        if not self._limits and not self.sandbox:
            return command
        command[0] = _program(argv[0], folder, path)
        if self.sandbox:
            command = [*self._bubblewrap(work, folder), "--", *command]
        if self._limits:
            # Set by a shell that then becomes the program: between fork and exec nothing of ours may run, since the
            # worker has many threads, and set afterwards a limit would come too late.
            command = ["/bin/sh", "-c", f'{self._limits} && exec "$@"', "sh", *command]
        return command

    def _bubblewrap(self, work: Path, folder: Path) -> list[str]:
        arguments = [
            "bwrap",
            "--ro-bind",
            "/",
            "/",
            "--dev",
            "/dev",
            "--proc",
            "/proc",
            "--unshare-pid",
            "--unshare-ipc",
            "--tmpfs",
            "/tmp",
            *_run(),
        ]
        for device in _DEVICES:
            for one in sorted(Path("/").glob(device[1:])):
                arguments += ["--dev-bind-try", str(one), str(one)]
        for writable in self.writable:
            arguments += ["--bind", str(writable), str(writable)]
        # Behind the folders that may be written to: the state may lie within one.
        for hidden in self.hidden:
            arguments += ["--tmpfs", str(hidden)] if hidden.is_dir() else []
        return [*arguments, "--bind", str(work), str(work), "--chdir", str(folder)]

    def popen_options(self) -> dict[str, Any]:
        """For `subprocess.Popen`, which does all this between fork and exec without running Python."""
        if self.user is None:
            return {}
        return {"user": self.user.uid, "group": self.user.gid, "extra_groups": [], "umask": 0o077}

    def environment(self) -> Mapping[str, str]:
        """What a task's environment says of its user."""
        return {} if self.user is None else {"HOME": self.user.home, "USER": self.user.name}

    def hand_over(self, folder: Path) -> None:
        """The folder and those in it become the tasks' user's; files do not."""
        if self.user is not None:
            for _, _, _, opened in os.fwalk(folder):
                # What was opened, not what has its name now: programs of this user may be at work there.
                os.fchown(opened, self.user.uid, self.user.gid)


NO_ISOLATION = Isolation()


def prepared(
    state_root: Path,
    work_root: Path,
    *,
    user: str | None = None,
    sandbox: bool = False,
    memory_mb: int | None = None,
    cpu_seconds: int | None = None,
    cgroup: Path | str | None = None,
    cpus: float | None = None,
    processes: int | None = None,
    writable: Sequence[Path] = (),
) -> Isolation:
    """What was asked for, tried once. Raises `StartError` (exit 2) that says what this machine cannot give, and why."""
    if sys.platform == "win32" and (user or sandbox or memory_mb or cpu_seconds):
        raise StartError("on Windows tasks run as the worker's own user, without limits and sandbox", 2)
    if writable and not sandbox:
        raise StartError(
            "folders that tasks may write to can be named for a sandbox only; without one they may as is", 2
        )
    if cgroup is None and (cpus or processes):
        raise StartError("processors and processes of a task are limited in a control group: name --task-cgroup", 2)
    parent = cgroups.own() if cgroup == cgroups.OWN else Path(cgroup) if cgroup is not None else None
    task_user = _user(user) if user is not None else None
    hidden = (state_root.absolute(), *_other_states())
    for folder in writable:
        if any(folder.resolve().is_relative_to(state.resolve()) for state in hidden):
            raise StartError(f"tasks may not write to {folder}: it lies in a folder where workers keep their state", 2)
    isolation = Isolation(
        task_user,
        sandbox,
        memory_mb and memory_mb << 20,
        cpu_seconds,
        hidden,
        tuple(one.absolute() for one in writable),
        cgroups.prepared(parent, memory_mb and memory_mb << 20, cpus, processes) if parent is not None else None,
    )
    if task_user is not None:
        # The way to the work folders, not what else is there: outbox, cache and identity stay closed.
        state_root.chmod(0o711)
        work_root.chmod(0o711)
    if sandbox and shutil.which("bwrap") is None:
        raise StartError("there is no bwrap on this machine (Debian: apt-get install bubblewrap), so no sandbox", 2)
    if task_user is not None or sandbox or memory_mb or cpu_seconds:
        _try(isolation, work_root.absolute())
    return isolation


def _run() -> list[str]:
    shown = dict.fromkeys((*_OF_RUN, os.path.realpath("/etc/resolv.conf")))
    arguments = []
    for run in ("/run", "/var/run"):
        if os.path.isdir(run) and not os.path.islink(run):
            arguments += ["--tmpfs", run]
            for one in shown:
                arguments += ["--ro-bind-try", one, one] if one.startswith(f"{run}/") else []
    return arguments


def _user(name: str) -> TaskUser:
    import pwd  # not on Windows

    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise StartError(f"there is no user {name!r} on this machine for tasks to run as", 2) from None
    if os.geteuid() != 0:
        raise StartError(f"only root can run tasks as {name!r}; this worker runs as user {os.geteuid()}", 2)
    if found.pw_uid == 0:
        raise StartError("tasks as root would be kept apart from nothing; name another user", 2)
    return TaskUser(found.pw_name, found.pw_uid, found.pw_gid, found.pw_dir)


def _other_states() -> tuple[Path, ...]:
    from millrace.agent.state import all_state_roots

    return (all_state_roots(),)


def _try(isolation: Isolation, work_root: Path) -> None:
    # By its name: the current folder is set before the user is.
    enters = ["/bin/sh", "-c", 'cd "$0"', str(work_root)]
    try:
        command = replace(isolation, cgroups=None).command(enters, work_root, work_root, None)
        tried = subprocess.run(
            command,
            cwd=work_root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRY_SECONDS,
            **isolation.popen_options(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"tasks cannot be run apart here: {error}{_reach(isolation, work_root)}", 2) from error
    if tried.returncode != 0:
        said = tried.stderr.decode("utf-8", "replace").strip() or f"exit code {tried.returncode}"
        raise StartError(f"tasks cannot be run apart here: {said}{_reach(isolation, work_root)}", 2)


def _reach(isolation: Isolation, work_root: Path) -> str:
    if isolation.user is None:
        return ""
    return f" (can user {isolation.user.name!r} reach {work_root}? --state names another folder)"


def _program(name: str, folder: Path, path: str | None) -> str:
    """Where the program is, as exec would look for it."""
    if os.path.basename(name) == name:
        found = shutil.which(name, path=path)
    else:
        found = name if (folder / name).exists() else None
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return found
