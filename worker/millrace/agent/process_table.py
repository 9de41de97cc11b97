"""The processes of this machine, looked through: which belong to a task, and since when one runs.

A command's descendants are recognised in three ways: by its session, by its process group, and by `MILLRACE_WORK` in
their environment, which also finds daemons that left both. Where there is no /proc, psutil is used if installed, else
only the group.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

WORK_VARIABLE = "MILLRACE_WORK"


def members_of(leader: int, work: Path, started: str | None = None) -> list[int]:
    """Live processes (zombies are not) of the session or group `leader`, or with `work` as their work folder.

    `started`: when the leader was, if known. It is at the end of each command that all processes of the machine are
    looked at, so what is older than the command is not asked for its environment.
    """
    if sys.platform == "win32":
        return _descendants_by_psutil(leader)
    if not Path("/proc/self/stat").exists():
        return _descendants_by_psutil(leader) or ([leader] if _group_alive(leader) else [])
    oldest = int(started) if started is not None else 0
    marker = f"{WORK_VARIABLE}={work}".encode()
    found = []
    for pid in _pids():
        stat = _stat(pid)
        if stat is None or stat[0] in ("Z", "X") or pid == os.getpid():
            continue
        if leader in (int(stat[2]), int(stat[3])) or (int(stat[19]) >= oldest and marker in _environment(pid)):
            found.append(pid)
    return found


def living(pids: Iterable[int]) -> list[int]:
    """Those that have not ended; a zombie has."""
    return [pid for pid in pids if (stat := _stat(pid)) is not None and stat[0] not in ("Z", "X")]


def started_at(pid: int) -> str | None:
    """When the process was started, in the system's own words: with the pid it names a process uniquely."""
    stat = _stat(pid)
    return stat[19] if stat else _started_without_proc(pid)


def _started_without_proc(pid: int) -> str | None:
    if sys.platform == "win32":
        return _started_by_psutil(pid)
    return None if Path("/proc/self/stat").exists() else started_by_ps(pid)


def started_by_ps(pid: int) -> str | None:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _started_by_psutil(pid: int) -> str | None:
    try:
        import psutil

        return str(psutil.Process(pid).create_time())
    except Exception:  # none, no such process, or not ours to look at
        return None


def _group_alive(group: int) -> bool:
    if sys.platform == "win32" or group <= 0:
        return False
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _descendants_by_psutil(leader: int) -> list[int]:
    try:
        import psutil

        return [leader, *(child.pid for child in psutil.Process(leader).children(recursive=True))]
    except (ImportError, LookupError, OSError):
        return []
    except Exception as error:  # psutil's own errors: the process is gone, or is not ours to look at
        if type(error).__module__.startswith("psutil"):
            return []
        raise


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on: state, parent, group, session, …; None if there is no such
    process.
    """
    try:
        handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        text = os.read(handle, 4096).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(handle)
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    return text.rpartition(")")[2].split() or None


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
