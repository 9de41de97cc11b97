"""What `./millrace deploy` uploads, built once; and a clean copy of the project for plain `chalice`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.build import ROOT, Build, build
from deploy.errors import DeployFailed

PACKAGE_SECONDS = 240
ARCHITECTURE = "x86_64"


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
    build: Build
    unpacked: Path


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("missing system program: git")
    return clean_copy(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("package")
    built = built_or_skip(folder, ARCHITECTURE)
    with zipfile.ZipFile(built.archive) as zipped:
        zipped.extractall(folder / "unpacked")
    return Package(built, folder / "unpacked")


def built_or_skip(folder: Path, architecture: str) -> Build:
    """Skipped, loudly, where PyPI is out of reach."""
    try:
        return build(folder, architecture)
    except DeployFailed:
        if not pypi_is_there(folder):
            pytest.skip("missing system program: PyPI, or its mirror,")
        raise


def pypi_is_there(folder: Path) -> bool:
    """Whether pip gets something that is certainly there."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--dest", str(folder), "pip==24.0"]
    return subprocess.run(pip, capture_output=True, timeout=PACKAGE_SECONDS).returncode == 0
