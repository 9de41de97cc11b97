"""Waiting for what other processes do: a limit is for what never comes, so it is generous to a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def until(is_true: Callable[[], bool], what: str, seconds: float) -> None:
    """Things outside of this process announce nothing: look again every 10 ms."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"{what} not within {seconds:.1f} s"
        time.sleep(0.01)


def appears(path: Path, seconds: float = 60.0) -> Path:
    until(path.exists, f"{path.name} appears", seconds)
    return path


def number_in(path: Path, seconds: float = 60.0) -> int:
    """The number a process writes into `path`, once it is all there."""
    until(lambda: path.exists() and path.read_text().endswith("\n"), f"a number in {path.name}", seconds)
    return int(path.read_text())


def gone(pid: int, seconds: float) -> None:
    """No live process has this pid; one that is dead and not yet collected counts as gone."""
    until(lambda: not alive(pid), f"the end of process {pid}", seconds)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
