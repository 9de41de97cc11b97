"""Wheels that a lock names, fetched by pip: it compares each file with the hashes in the lock, and takes no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .errors import DeployFailed

PLATFORMS = {
    "arm64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "any"),
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "any"),
}
FETCH_SECONDS = 600


def for_any_python(lock: Path, wheels: Path, architecture: str) -> None:
    """Of this architecture, for every Python since 3.11. Raises DeployFailed with what pip said."""
    _fetch(lock, wheels, f"for {architecture}", *_target(architecture, "3.11", "py", "none"))


def for_lambda(lock: Path, wheels: Path, architecture: str) -> None:
    """For Lambda's runtime of this Python's version; and for this machine, since chalice asks for those first."""
    major, minor = sys.version_info[:2]
    _fetch(lock, wheels, "for this machine")
    _fetch(lock, wheels, f"for {architecture}", *_target(architecture, f"{major}.{minor}", "cp", f"cp{major}{minor}"))


def _target(architecture: str, version: str, implementation: str, abi: str) -> list[str]:
    platforms = [word for platform in PLATFORMS[architecture] for word in ("--platform", platform)]
    return ["--python-version", version, "--implementation", implementation, "--abi", abi, *platforms]


def _fetch(lock: Path, wheels: Path, what: str, *target: str) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", *target),
        *("--requirement", str(lock), "--dest", str(wheels)),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_SECONDS, env=environment
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise DeployFailed(f"the packages of {lock.name} could not be fetched {what}:\n{said}")
