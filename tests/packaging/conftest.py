"""A clean copy of what is under version control, or about to be, and what `chalice` makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_SECONDS = 100


def chalice(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())", *arguments]


def clean_copy(folder: Path) -> Path:
    """The project without caches, environments, and what chalice built before."""
    files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(files, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@dataclass(frozen=True)
class Package:
    template: Path
    archive: Path
    unpacked: Path


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("missing system program: git")
    return clean_copy(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def package(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """`chalice package --stage dev`. Skipped, loudly, where PyPI is out of reach."""
    out = tmp_path_factory.mktemp("package")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        chalice("package", "--stage", "dev", str(out)),
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PACKAGE_SECONDS,
    )
    said = done.stdout + done.stderr
    if done.returncode != 0 and not pypi_is_there(out):
        pytest.skip("missing system program: PyPI, or its mirror,")
    assert done.returncode == 0, said
    archive = out / "deployment.zip"
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(out / "unpacked")
    return Package(out / "sam.json", archive, out / "unpacked")


def pypi_is_there(folder: Path) -> bool:
    """Whether pip gets something that is certainly there."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--dest", str(folder), "pip==24.0"]
    return subprocess.run(pip, capture_output=True, timeout=PACKAGE_SECONDS).returncode == 0
