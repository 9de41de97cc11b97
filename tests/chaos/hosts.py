"""Separate hosts on one machine: a network namespace for each worker, joined to ours by a cable that can be pulled.

On a pulled cable packets vanish: unlike a dead process, nobody says so to the other side. Only root can make them.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import IO

import psutil

HOSTS = ip_network("10.213.0.0/16")
"""Where they all are."""
MOST_HOSTS = 256 * 64
SHOWN = 100_000
"""A cable's name has room for so much of a process's number."""


@dataclass(frozen=True)
class Host:
    number: int
    """No other host of this machine has it, whichever process made that one: its network follows from it."""
    claim: IO[bytes]
    """The file that is locked for as long as this host has its number."""

    @property
    def name(self) -> str:
        return f"mr{os.getpid()}-{self.number}"

    @property
    def cable(self) -> str:
        """Our end. Interfaces have at most 15 characters."""
        return f"mr{os.getpid() % SHOWN}x{self.number}"

    @property
    def gateway(self) -> str:
        """Where it reaches us."""
        return f"10.213.{self.number // 64}.{self.number % 64 * 4 + 1}"

    @property
    def command(self) -> list[str]:
        """What goes before a command that is to run there."""
        return ["ip", "netns", "exec", self.name]

    def cut(self) -> None:
        _ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        _ip("link", "set", self.cable, "up")

    def remove(self) -> None:
        subprocess.run(["ip", "link", "delete", self.cable], capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)
        self.claim.close()


def claimed(folder: Path | None = None) -> tuple[int, IO[bytes]]:
    """A number that no other process of this machine has, until the file is closed or the process has ended."""
    folder = folder or Path(f"/tmp/millrace-hosts-{os.getuid()}")  # one for all, wherever their temporary files are
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(MOST_HOSTS):
        file = (folder / str(number)).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number, file
        except BlockingIOError:
            file.close()
    raise OSError(f"all {MOST_HOSTS} hosts are taken")


def made() -> Host | None:
    """None where this machine does not allow it."""
    host = Host(*claimed())
    try:
        for step in _steps(host):
            _ip(*step)
    except (subprocess.CalledProcessError, OSError):
        host.remove()
        return None
    return host


def _steps(host: Host) -> Iterator[tuple[str, ...]]:
    inside, far = f"{host.cable}i", host.gateway.rpartition(".")
    theirs = f"{far[0]}.{int(far[2]) + 1}/30"
    yield ("netns", "add", host.name)
    yield ("link", "add", host.cable, "type", "veth", "peer", "name", inside)
    yield ("link", "set", inside, "netns", host.name)
    yield ("address", "add", f"{host.gateway}/30", "dev", host.cable)
    yield ("link", "set", host.cable, "up")
    yield ("-n", host.name, "address", "add", theirs, "dev", inside)
    yield ("-n", host.name, "link", "set", inside, "up")
    yield ("-n", host.name, "link", "set", "lo", "up")


def remove_leftovers() -> list[str]:
    """Namespaces and cables of processes that were killed before they could take them away, and what still runs in
    there; their names. Nothing where this machine does not allow it."""
    removed = []
    for name, pid in _ours(r"^mr(\d+)-\d+\b", "netns", "list"):
        if not psutil.pid_exists(pid):
            for inside in _said("netns", "pids", name).split():
                with suppress(ProcessLookupError):
                    os.kill(int(inside), signal.SIGKILL)
            removed += _removed(name, "netns", "delete", name)
    shown = {pid % SHOWN for pid in psutil.pids()}
    for name, pid in _ours(r"^\d+: mr(\d+)x\d+\b", "-o", "link", "show", "type", "veth"):
        if pid not in shown:
            removed += _removed(name, "link", "delete", name)
    return removed


def _ours(pattern: str, *listing: str) -> list[tuple[str, int]]:
    """What is listed under a name of ours, and the number of the process in it."""
    found = re.finditer(pattern, _said(*listing), re.MULTILINE)
    return [(one[0].rpartition(" ")[2], int(one[1])) for one in found]


def _removed(name: str, *how: str) -> list[str]:
    try:
        _ip(*how)
    except (subprocess.CalledProcessError, OSError):  # not allowed, or gone with the other end of its cable
        return []
    return [name]


def _said(*arguments: str) -> str:
    try:
        return subprocess.run(["ip", *arguments], capture_output=True, text=True).stdout
    except OSError:
        return ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
