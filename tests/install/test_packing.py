"""The wheel that the manager makes of the worker's folder is what pip takes, and the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from chalicelib.install import served
from chalicelib.install.packing import packed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheel = packed(ROOT / "worker")
    folder = tmp_path_factory.mktemp("wheel")
    (folder / wheel.name).write_bytes(wheel.data)
    zipfile.ZipFile(folder / wheel.name).extractall(folder / "unpacked")
    return folder


def test_the_same_folder_gives_the_same_wheel() -> None:
    first, second = packed(ROOT / "worker"), packed(ROOT / "worker")
    assert first == second
    name, version, _, _ = parse_wheel_filename(first.name)
    assert (str(name), str(version)) == ("millrace", first.version)


def test_it_says_what_the_project_file_says(unpacked: Path) -> None:
    project = tomllib.loads((ROOT / "worker/pyproject.toml").read_text())["project"]
    [about] = (unpacked / "unpacked").glob("*.dist-info")
    found = PathDistribution(about)
    assert (found.name, found.version) == (project["name"], project["version"])
    needs = [Requirement(text) for text in found.requires or []]
    assert {str(need) for need in needs if need.marker is None} == {
        str(Requirement(t)) for t in project["dependencies"]
    }
    for extra, wanted in project["optional-dependencies"].items():
        mine = {need.name for need in needs if need.marker and need.marker.evaluate({"extra": extra})}
        assert mine == {Requirement(text).name for text in wanted}
    assert {entry.name: entry.value for entry in found.entry_points} == project["scripts"]


def test_pip_installs_it_and_knows_its_hash_later(unpacked: Path, tmp_path: Path) -> None:
    """Without the packages that it needs: those are this environment's own, by a path file."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    [wheel] = unpacked.glob("*.whl")
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    [packages] = (tmp_path / "env/lib").glob("python*/site-packages")
    # The editable millrace of this environment must not come along: only what lies in its folder as it is.
    (packages / "others.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")))
    [about] = packages.glob("millrace-*.dist-info")
    kept = json.loads((about / "direct_url.json").read_text())
    assert kept["archive_info"]["hashes"]["sha256"] == packed(ROOT / "worker").sha256
    said = subprocess.run([tmp_path / "env/bin/millrace", "--version"], capture_output=True, text=True, timeout=60)
    assert packed(ROOT / "worker").version in said.stdout, said.stderr
    where = "import millrace.agent.run as run; print(run.__file__)"
    found = subprocess.run([python, "-c", where], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert found.stdout.startswith(str(packages)), found.stderr


def test_a_release_of_the_operators_choice_is_served_in_its_place(tmp_path: Path) -> None:
    other = tmp_path / "millrace-9.9.9-py3-none-any.whl"
    other.write_bytes(b"another")
    assert (served.found(other).wheel.version, served.found(other).wheel.data) == ("9.9.9", b"another")
    assert served.found().wheel == packed(ROOT / "worker")
