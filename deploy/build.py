"""The checkout -> an archive for Lambda, and the template that chalice makes of `app.py`.

Built in a folder of its own from the files that belong into the archive, so that neither caches nor experiments in the
checkout get in. Wheels come for Lambda's processor and this Python's minor version, which is the runtime's; they are
fetched first, held to the hashes of requirements.lock, and chalice gets to see no others. The archive is written anew
with sorted names and no times: the same checkout gives the same bytes, hence the same key, and nothing to update. Byte
code goes along, or each cold start would compile all that it imports: it names no time and is not checked against its
source (PEP 552), so that it holds after unpacking and is the same each time. So does the list of the rooms' paths, by
which the app imports only the room that is asked (`chalicelib/rooms.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config import VERSION
from chalicelib.install.packing import packed, zipped

from . import wheels
from .bill import bill, chalices_runtime, workers_wheel
from .errors import DeployFailed, WrongUse

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("app.py", "chalicelib", "requirements.txt")
RUNTIMES = ((3, 11), (3, 12), (3, 13), (3, 14))
ARCHITECTURES = ("arm64", "x86_64")
BUILD_SECONDS = 600
SERVED = "chalicelib/install/served"
BILL = "millrace.cdx.json"
"""In the archive: what it is made of."""
NO_ROLE = "arn:aws:iam::000000000000:role/the-template-names-another"

Template = dict[str, Any]


@dataclass(frozen=True)
class Build:
    archive: Path
    sha256: str
    template: Template


def build(folder: Path, architecture: str) -> Build:
    """Package the checkout, using an empty `folder`. Raises DeployFailed with what chalice or pip said."""
    if sys.version_info[:2] not in RUNTIMES:
        known = ", ".join(f"{major}.{minor}" for major, minor in RUNTIMES)
        raise WrongUse(f"Lambda is deployed to from its own Python version, one of {known}; this is {sys.version[:6]}")
    if architecture not in ARCHITECTURES:
        raise WrongUse(f"an architecture is {' or '.join(ARCHITECTURES)}, not {architecture!r}")
    project, out, unpacked = folder / "project", folder / "out", folder / "unpacked"
    _copy(project, architecture)
    _run_alone([sys.executable, "-m", "chalicelib.rooms"], project, "the list of the rooms' paths")
    _package(project, out, _fetched(folder / "wheels", architecture))
    archive = folder / "millrace.zip"
    with zipfile.ZipFile(out / "deployment.zip") as packaged:
        packaged.extractall(unpacked)
    compile_all(unpacked)
    [wheel] = (unpacked / SERVED).glob("*.whl")
    (unpacked / BILL).write_bytes(bill(more=[chalices_runtime(), workers_wheel(wheel, VERSION)]))
    found = sorted(path for path in unpacked.rglob("*") if path.is_file())
    archive.write_bytes(zipped({path.relative_to(unpacked).as_posix(): path.read_bytes() for path in found}))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Build(archive, digest, json.loads((out / "sam.json").read_text()))


def _copy(project: Path, architecture: str) -> None:
    project.mkdir(parents=True)
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "*.py[cod]"))
        else:
            shutil.copy2(ROOT / name, project / name)
    _add_worker(project / SERVED)
    config = {
        "version": "2.0",
        "app_name": "millrace",
        "lambda_architecture": architecture,
        "lambda_timeout": 60,
        "lambda_memory_size": 512,
        "manage_iam_role": False,
        "iam_role_arn": NO_ROLE,
        # `edge/middleware.py` takes an app without a table for one that `chalice local` serves.
        "environment_variables": {"MILLRACE_TABLE": "the-stack-says", "MILLRACE_BUCKET": "the-stack-says"},
        "stages": {"built": {"api_gateway_stage": "api"}},
    }
    (project / ".chalice").mkdir()
    (project / ".chalice" / "config.json").write_text(json.dumps(config))


def _add_worker(folder: Path) -> None:
    """What `GET /install` gives to new workers: the farm and they are of one release."""
    wheel = packed(ROOT / "worker")
    folder.mkdir()
    (folder / wheel.name).write_bytes(wheel.data)
    shutil.copy2(ROOT / "worker" / "requirements.lock", folder)


def _fetched(folder: Path, architecture: str) -> Path:
    folder.mkdir()
    wheels.for_lambda(ROOT / "requirements.lock", folder, architecture)
    return folder


def _package(project: Path, out: Path, fetched: Path) -> None:
    chalice = [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_", "PYTHON"))}
    environment = {
        **kept,
        "AWS_DEFAULT_REGION": "us-east-1",  # chalice wants one, and asks it for nothing
        # Whatever else pip is told on this machine: chalice takes these files and asks no index.
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": fetched.resolve().as_uri(),  # pip takes a space for the end of a path
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [*chalice, "package", "--stage", "built", str(out)],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
    if done.returncode != 0:
        raise DeployFailed(f"`chalice package` failed:\n{said}")
    # Chalice only mentions a package for which it found no wheel, and goes on without it.
    if "Could not install dependencies" in said:
        raise DeployFailed(f"a package has no wheel for Lambda:\n{said}")


def compile_all(folder: Path) -> None:
    """Byte code beside all of it, which says where it lies on Lambda. Some packages hold files for other Pythons."""
    command = [sys.executable, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    _run_alone([*command, "-s", str(folder), "-p", "/var/task", str(folder)], folder, "byte code", may_fail=True)


def _run_alone(command: list[str], folder: Path, what: str, *, may_fail: bool = False) -> None:
    """The order of sets is part of byte code: one seed for all builds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_", "PYTHON", "AWS_"))}
    environment = {**kept, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0 and not may_fail:
        raise DeployFailed(f"{what} could not be made:\n{done.stdout}{done.stderr}")
