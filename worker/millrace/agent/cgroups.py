"""A control group (cgroup v2) for each attempt: limits that count for all its processes together, and one way to end
them all, also those that left its session and emptied their environment.

The operator names a folder below /sys/fs/cgroup that is the worker's to divide (systemd: `Delegate=`,
docs/workers.md), or says `own`: the group that the worker was started in. A group with groups in it that are limited
may hold no process (the kernel's rule), so a worker that is in the folder itself moves to `worker` in it. For each
attempt a group is made in it, with the limits written before anything runs. A process enters by the hand of the
worker, which need not be the task's user: a shell stops itself, is written into the group, is let go on, and only then
becomes the program. Who dies in between leaves a stopped shell, which the guard finds as it finds every process of an
attempt (`processes`). The group's path stands in the attempt's note, so that the guard can end what is in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from millrace.agent.errors import StartError

PERIOD_MICROSECONDS = 100_000
PROCESSES = 4096
"""A task may have so many, threads included, unless it is told otherwise: a fork bomb ends there."""
REMOVE_TRIES, REMOVE_SECONDS = 50, 0.02
OWN = "own"
WORKERS_GROUP = "worker"
"""In the folder: where the worker itself is. What systemd makes by `DelegateSubgroup=` is called so too."""
ENTER = "kill -STOP $$"
"""For the shell that becomes the program."""


@dataclass(frozen=True)
class Cgroups:
    parent: Path
    memory_bytes: int | None = None
    cpus: float | None = None
    processes: int = PROCESSES

    def limits(self) -> Iterator[tuple[str, str]]:
        """(file, text), as the kernel's documentation has them (admin-guide/cgroup-v2)."""
        yield "pids.max", str(self.processes)
        if self.memory_bytes is not None:
            yield "memory.max", str(self.memory_bytes)
            yield "memory.oom.group", "1"  # half a task is of no use
        if self.cpus is not None:
            yield "cpu.max", f"{round(self.cpus * PERIOD_MICROSECONDS)} {PERIOD_MICROSECONDS}"

    def made(self, attempt: str) -> Path:
        """The attempt's group, with its limits. Raises OSError."""
        group = self.parent / f"millrace-{attempt}"
        again = 1
        while _counts(group / "cgroup.events").get("populated"):
            # Another farm's worker was given the same folder, or the last command hangs in the kernel: ending this
            # one must not end those, nor may they use up its limits.
            again += 1
            group = self.parent / f"millrace-{attempt}.{again}"
        group.mkdir(exist_ok=True)
        for name, text in self.limits():
            (group / name).write_text(text)
        if self.memory_bytes is not None and (swap := group / "memory.swap.max").exists():
            swap.write_text("0")  # only kernels that have swap have the file
        return group


def enter(group: Path, pid: int) -> None:
    """Put a child that stops itself into the group, and let it go on. Raises OSError; the child is then killed."""
    try:
        # Not collected: subprocess does that.
        how = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if how is not None and how.si_code == os.CLD_STOPPED:
            (group / "cgroup.procs").write_text(str(pid))
            os.kill(pid, signal.SIGCONT)
    except OSError:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise


def pids(group: Path) -> list[int]:
    """Of the processes in the group and in those that they made in it; none if it is gone."""
    found: list[int] = []
    for folder, _, _ in os.walk(group):
        with suppress(OSError, ValueError):
            found += [int(word) for word in Path(folder, "cgroup.procs").read_text().split()]
    return found


def met(group: Path) -> str | None:
    """At which of its limits the kernel has stopped the task, for people; None if at none, or if the group is gone."""
    memory, forks = _counts(group / "memory.events"), _counts(group / "pids.events")
    said = []
    if memory.get("oom_kill"):
        # `oom` counts this group's own limit, `oom_kill` also the folder's and the machine's.
        [limit] = _words(group / "memory.max") or ["max"]
        ours = memory.get("oom") and limit.isdigit()
        at = f"at its memory limit of {int(limit) >> 20} MB" if ours else "since no memory was left beyond its limit"
        said.append(f"was killed {at}")
    if forks.get("max"):
        [limit] = _words(group / "pids.max") or ["max"]
        said.append(f"was refused more than its {limit} processes and threads")
    return f"the task {' and '.join(said)}" if said else None


def kill(group: Path) -> None:
    """All in it at once, also what forks meanwhile. Kernels before 5.14 cannot; then the signals must do."""
    if (file := group / "cgroup.kill").exists():
        with suppress(OSError):
            file.write_text("1")


def remove(group: Path) -> None:
    """When all in it have ended. A group that is left is used again, or costs a little memory of the kernel."""
    for _ in range(REMOVE_TRIES):
        try:
            for folder, inner, _ in os.walk(group, topdown=False):
                for name in inner:
                    os.rmdir(Path(folder, name))
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if pids(group) == [] and not (group / "cgroup.kill").exists():
                return  # no cgroup
            time.sleep(REMOVE_SECONDS)


def own() -> Path:
    """The group that the worker was started in, also when it has moved since. Raises StartError."""
    try:
        [inside] = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
        mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        root = next(Path(mount[1]) for mount in mounts if mount[2] == "cgroup2")
    except (OSError, ValueError, StopIteration):
        raise StartError(f"there are no control groups of version 2 here, so no --task-cgroup {OWN}", 2) from None
    group = root / inside.lstrip("/")
    return group.parent if group.name == WORKERS_GROUP else group


def prepared(parent: Path, memory_bytes: int | None, cpus: float | None, processes: int | None) -> Cgroups:
    """Tried once. Raises StartError that says what is missing."""
    if not sys.platform.startswith("linux"):
        raise StartError("only Linux has control groups; leave --task-cgroup out", 2)
    controllers = _words(parent / "cgroup.controllers")
    if controllers is None:
        raise StartError(
            f"{parent} is no control group of version 2 (it has no cgroup.controllers; this machine may have "
            "version 1 only), so --task-cgroup cannot be had here",
            2,
        )
    wanted = ["pids", *(["memory"] if memory_bytes else []), *(["cpu"] if cpus else [])]
    if missing := [one for one in wanted if one not in controllers]:
        raise StartError(f"{parent} may not limit {', '.join(missing)}; its systemd unit needs Delegate=yes", 2)
    groups = Cgroups(parent.absolute(), memory_bytes, cpus, processes or PROCESSES)
    try:
        _make_room(groups.parent)
        _hand_down(parent, wanted)
        _try(groups)
    except OSError as error:
        raise StartError(
            f"no groups can be made in {parent} and entered: {error}. It must be the worker's to write, hold no "
            "process but the worker, and have the worker in it (unless that is root's)",
            2,
        ) from error
    return groups


def _make_room(parent: Path) -> None:
    """If the worker is what is in it. The root of all groups may hold processes, and has no type."""
    if (parent / "cgroup.type").exists() and str(os.getpid()) in (_words(parent / "cgroup.procs") or []):
        (room := parent / WORKERS_GROUP).mkdir(exist_ok=True)
        (room / "cgroup.procs").write_text(str(os.getpid()))


def _try(groups: Cgroups) -> None:
    """Only those may bring a process into a group who may write to the one that holds both this and where it is."""
    group = groups.made(f"try-{os.getpid()}")
    try:
        with subprocess.Popen(["/bin/sh", "-c", ENTER], stdin=subprocess.DEVNULL, start_new_session=True) as shell:
            enter(group, shell.pid)
    finally:
        remove(group)


def _hand_down(parent: Path, wanted: list[str]) -> None:
    file = parent / "cgroup.subtree_control"
    if missing := [one for one in wanted if one not in (_words(file) or [])]:
        file.write_text(" ".join(f"+{one}" for one in missing))


def _words(file: Path) -> list[str] | None:
    try:
        return file.read_text().split()
    except OSError:
        return None


def _counts(file: Path) -> dict[str, int]:
    """Of a flat keyed file; nothing if it is not there."""
    words = _words(file) or []
    return dict(zip(words[::2], map(int, words[1::2]), strict=False))
