"""What a machine of the fleet installs: the worker's wheel, `requirements.lock` and the wheels that it names, as one
tar file. So a machine needs no PyPI, and runs what this checkout is, to the byte.

    millrace-0.1.0-py3-none-any.whl   requirements.lock   wheels/*.whl

Only wheels for every Python are taken, since the image's is not known.
"""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path

from chalicelib.install.packing import packed

from . import wheels
from .build import ROOT


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
    wheels.for_any_python(lock, content / "wheels", architecture)
    path = folder / "worker.tar"
    _pack(content, path)
    return Bundle(path, hashlib.sha256(path.read_bytes()).hexdigest())


def _pack(content: Path, path: Path) -> None:
    """The same files give the same bytes: sorted, without times or owners. Wheels are compressed already."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(one for one in content.rglob("*") if one.is_file()):
            entry = tarfile.TarInfo(file.relative_to(content).as_posix())
            entry.size, entry.mode = file.stat().st_size, 0o644
            with file.open("rb") as data:
                archive.addfile(entry, data)
