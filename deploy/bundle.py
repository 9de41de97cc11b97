"""What a machine of the fleet installs: the worker's wheel, `requirements.lock` and the wheels that it names, as one
tar file. So a machine needs no PyPI, and runs what this checkout is, to the byte.

    millrace-0.1.0-py3-none-any.whl   requirements.lock   wheels/*.whl

Only wheels for every Python are taken, since the image's is not known.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from chalicelib.install.packing import packed

from .build import ROOT
from .errors import DeployFailed

PLATFORMS = {
    "arm64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "any"),
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "any"),
}
FETCH_SECONDS = 600


@dataclass(frozen=True)
class Bundle:
    path: Path
    sha256: str


def bundle(folder: Path, architecture: str) -> Bundle:
    """Made in an empty `folder`. Raises DeployFailed with what pip said."""
    content = folder / "content"
    (content / "wheels").mkdir(parents=True)
    wheel = packed(ROOT / "worker")
    (content / wheel.name).write_bytes(wheel.data)
    lock = content / "requirements.lock"
    lock.write_bytes((ROOT / "worker" / "requirements.lock").read_bytes())
    _fetch(lock, content / "wheels", architecture)
    path = folder / "worker.tar"
    _pack(content, path)
    return Bundle(path, hashlib.sha256(path.read_bytes()).hexdigest())


def _fetch(lock: Path, wheels: Path, architecture: str) -> None:
    platforms = [word for platform in PLATFORMS[architecture] for word in ("--platform", platform)]
    command = [
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--python-version", "3.11", "--implementation", "py", "--abi", "none", *platforms),
        *("--requirement", str(lock), "--dest", str(wheels)),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_SECONDS, env=_environment()
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise DeployFailed(f"the worker's packages for {architecture} could not be fetched:\n{said}")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _pack(content: Path, path: Path) -> None:
    """The same files give the same bytes: sorted, without times or owners. Wheels are compressed already."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(one for one in content.rglob("*") if one.is_file()):
            entry = tarfile.TarInfo(file.relative_to(content).as_posix())
            entry.size, entry.mode = file.stat().st_size, 0o644
            with file.open("rb") as data:
                archive.addfile(entry, data)
