"""The checkout -> an archive for Lambda, and the template that chalice makes of `app.py`.

Built in a folder of its own from the files that belong into the archive, so that neither caches nor experiments in the
checkout get in. Wheels come for Lambda's processor and this Python's minor version, which is the runtime's; versions
are those of constraints.txt. The archive is written anew with sorted names and no times: the same checkout gives the
same bytes, hence the same key, and nothing to update. Byte code stays out: it would tie the archive to one build of
Python and double its size, to save a fraction of a second at a cold start.
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

from chalicelib.install.packing import packed

from .errors import DeployFailed, WrongUse

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("app.py", "chalicelib", "requirements.txt")
RUNTIMES = ((3, 11), (3, 12), (3, 13), (3, 14))
ARCHITECTURES = ("arm64", "x86_64")
BUILD_SECONDS = 600
NO_ROLE = "arn:aws:iam::000000000000:role/the-template-names-another"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can say."""

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
    project, out = folder / "project", folder / "out"
    _copy(project, architecture)
    _package(project, out)
    archive = folder / "millrace.zip"
    _rewrite(out / "deployment.zip", archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Build(archive, digest, json.loads((out / "sam.json").read_text()))


def _copy(project: Path, architecture: str) -> None:
    project.mkdir(parents=True)
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "*.py[cod]"))
        else:
            shutil.copy2(ROOT / name, project / name)
    _add_worker(project / "chalicelib" / "install" / "served")
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


def _package(project: Path, out: Path) -> None:
    chalice = [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_", "PYTHON"))}
    environment = {
        **kept,
        "AWS_DEFAULT_REGION": "us-east-1",  # chalice wants one, and asks it for nothing
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
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


def _rewrite(source: Path, target: Path) -> None:
    with (
        zipfile.ZipFile(source) as before,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as after,
    ):
        for name in sorted(before.namelist()):
            if name.endswith("/"):
                continue
            entry = zipfile.ZipInfo(name, FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, or the permissions mean nothing
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            after.writestr(entry, before.read(name))
