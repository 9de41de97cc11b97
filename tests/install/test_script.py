"""The script that `GET /install` gives: it removes nobody's files, and finds its own places on every platform."""

from __future__ import annotations

import ntpath
import subprocess
import sys
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest

from chalicelib.install import script
from chalicelib.install.packing import packed
from millrace.agent import state

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "chalicelib/install/script.py"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "there",
    [
        ("holiday.jpg",),
        ("bin/tool", "lib/libtool.so"),  # as /usr/local, which is no environment
        ("pyvenv.cfg", "main.py"),  # a project whose environment lies around it, and has lost its Python
    ],
)
def test_a_folder_with_files_of_others_is_refused_and_loses_none(tmp_path: Path, there: tuple[str, ...]) -> None:
    folder = tmp_path / "folder"
    for name in there:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")
    before = files_of(folder)
    command = [sys.executable, str(SCRIPT), "--to", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode != 0
    assert done.stderr.startswith("millrace: ") and "Traceback" not in done.stderr
    assert str(folder) in done.stderr and "--to wants" in done.stderr
    assert files_of(folder) == before


def test_an_environment_that_lost_its_python_is_made_anew(tmp_path: Path) -> None:
    """As when the system's Python went with an upgrade of the system."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/nowhere/python3.9")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/stale").write_text("old")
    (tmp_path / "pyvenv.cfg").write_text("home = /nowhere\n")
    python = script.environment(str(tmp_path))
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, timeout=100).returncode == 0
    assert not (tmp_path / "lib/stale").exists()
    assert (tmp_path / "millrace-worker.json").exists()
    assert script.environment(str(tmp_path)) == python  # the second time it is found


def test_on_windows_the_environment_is_not_where_workers_keep_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that differ in case alone are one folder there."""
    local = r"C:\Users\render\AppData\Local"
    monkeypatch.setattr(script, "os", SimpleNamespace(name="nt", path=ntpath, environ={"LOCALAPPDATA": local}))
    environment = PureWindowsPath(script.default_folder(system=False).casefold())
    monkeypatch.setenv("LOCALAPPDATA", local)
    with monkeypatch.context() as windows:
        windows.setattr(sys, "platform", "win32")
        one = str(state.default_state_root("http://farm:8000", "corner"))
    kept = PureWindowsPath(one.casefold())
    assert environment.is_relative_to(local.casefold()) and kept.is_relative_to(local.casefold())
    assert not kept.is_relative_to(environment) and not environment.is_relative_to(kept)


def test_what_an_extra_needs_is_asked_for_also_where_temporary_folders_have_a_space(tmp_path: Path) -> None:
    """By pip itself, which is to find the wheel there and know its extra."""
    wheel = packed(ROOT / "worker")
    folder = tmp_path / "Jane Doe"
    folder.mkdir()
    (folder / wheel.name).write_bytes(wheel.data)
    asked = script.with_extra(str(folder / wheel.name), "openjd")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index", "--ignore-installed"]
    where = ["--target", str(tmp_path / "target"), "--disable-pip-version-check", asked]
    done = subprocess.run(command + where, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert f"millrace-{wheel.version}" in done.stdout and "does not provide the extra" not in done.stderr
