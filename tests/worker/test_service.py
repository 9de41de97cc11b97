"""What `worker install` writes: judged by systemd itself, or read back as a property list and as XML."""

from __future__ import annotations

import json
import os
import plistlib
import shlex
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from millrace.cli.worker import worker
from millrace.cli.worker_service import _give
from millrace.service import launchd, systemd, windows
from millrace.service.definition import Service, carried, label_of

ODD = 'node "7" 100% $HOME ü\\'


def service(name: str = "node7", *, system: bool = False, state: Path = Path("/tmp")) -> Service:
    command = ("/bin/sh", "-m", "millrace.cli", "--name", name, "--tags", "gpu,big", "--state", str(state))
    return Service(name, "https://farm.example/a%20b", command, state, system, "root" if system else None)


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("system", [True, False], ids=["system", "user"])
@pytest.mark.parametrize("name", ["node7", ODD])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, system: bool, name: str) -> None:
    path = tmp_path / f"{label_of(name)}.service"
    path.write_text(systemd.unit(service(name, system=system, state=tmp_path)))
    scope = "--system" if system else "--user"
    command = ["systemd-analyze", scope, "--man=no", "verify", str(path)]
    environment = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    ours = [line for line in done.stderr.splitlines() if path.name in line]
    assert done.returncode == 0 and not ours, done.stderr


def test_the_command_line_of_a_unit_is_the_one_that_was_meant() -> None:
    [line] = [line for line in systemd.unit(service(ODD)).splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart=").replace("%%", "%").replace("$$", "$"))
    assert tuple(words) == service(ODD).command


def test_a_unit_is_restarted_when_it_fails_and_not_when_it_was_asked_to_end() -> None:
    text = systemd.unit(service(system=True))
    assert "Restart=on-failure\n" in text and "RestartPreventExitStatus=2\n" in text
    assert "User=root\n" in text and "WantedBy=multi-user.target\n" in text
    assert "WantedBy=default.target\n" in systemd.unit(service()) and "User=" not in systemd.unit(service())


def test_a_unit_gives_its_group_to_a_worker_that_divides_it_and_to_no_other() -> None:
    assert "Delegate" not in systemd.unit(service())
    assert "\nDelegate=memory pids cpu\n" in systemd.unit(replace(service(), divides=True))
    arguments = ["install", "--print", "--name", "n", "--task-cgroup", "own"]
    printed = CliRunner().invoke(worker, arguments)
    assert "Delegate=" in printed.output and "--task-cgroup own" in printed.output


@pytest.mark.parametrize("system", [True, False], ids=["system", "user"])
def test_launchd_gets_a_property_list(system: bool) -> None:
    read = plistlib.loads(launchd.job(service(ODD, system=system)))
    assert tuple(read["ProgramArguments"]) == service(ODD).command
    assert read["RunAtLoad"] is True and read["KeepAlive"] == {"SuccessfulExit": False}
    assert read.get("UserName") == ("root" if system else None)
    assert launchd.path_of(label_of("n"), system=True) == Path(
        "/Library/LaunchDaemons/org.millrace.millrace-worker-n.plist"
    )


@pytest.mark.parametrize("system", [True, False], ids=["system", "user"])
def test_windows_gets_a_task_that_runs_from_the_start_on(system: bool) -> None:
    [(path, content)] = windows.install(service(ODD, system=system)).files
    assert path.name == "task.xml" and content.startswith(b"\xff\xfe")
    name = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    root = ElementTree.fromstring(content.decode("utf-16").partition("?>")[2])
    assert root.find(f".//{name}Command").text == "/bin/sh"  # type: ignore[union-attr]
    assert (root.find(f".//{name}BootTrigger") is not None) == system
    assert root.find(f".//{name}ExecutionTimeLimit").text == "PT0S"  # type: ignore[union-attr]
    arguments = root.find(f".//{name}Arguments").text  # type: ignore[union-attr]
    assert arguments == subprocess.list2cmdline(service(ODD).command[1:])


def test_only_what_a_worker_needs_is_taken_along() -> None:
    mine = {
        "HTTPS_PROXY": "http://p",
        "MILLRACE_TOKEN": "mr_x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PATH": "/bin",
        "HOME": "/",
    }
    assert carried(mine) == {"HTTPS_PROXY": "http://p", "PATH": "/bin"}


def test_a_service_takes_what_its_machine_has_the_programs_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no environment but what was kept for it."""
    kept = carried({"MILLRACE_BLENDER": "/opt/blender/blender", "MILLRACE_ON_EC2": "1", "PATH": os.environ["PATH"]})
    (tmp_path / "service.json").write_text(json.dumps({"environment": kept}))
    for name in ("MILLRACE_BLENDER", "MILLRACE_ON_EC2"):
        monkeypatch.setenv(name, "")
    asked: dict[str, Any] = {}
    monkeypatch.setattr("millrace.agent.run.run_worker", lambda url, **options: asked.update(options) or 0)
    done = CliRunner().invoke(worker, ["--environment", str(tmp_path / "service.json")])
    assert done.exit_code == 0, done.output
    assert {"blender-render", "exr-merge", "sleep"} <= set(asked["task_types"]) and asked["on_ec2"] is True


@pytest.mark.parametrize("subcommand", ["install", "uninstall", "join"])
def test_options_that_would_be_forgotten_are_refused(subcommand: str) -> None:
    done = CliRunner().invoke(worker, ["--sandbox", "--slots", "4", subcommand])
    assert done.exit_code == 2 and f"stand behind '{subcommand}': --slots, --sandbox" in done.output


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives folders away")
def test_what_is_given_to_a_user_is_nothing_behind_a_link(tmp_path: Path) -> None:
    """Whatever that user does to the folder, which may be theirs already, at that moment."""
    (victim := tmp_path / "victim" / "file").parent.mkdir()
    victim.write_text("root's")
    folder, ended = tmp_path / "state", threading.Event()
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "file").write_text("theirs")

    def swap() -> None:
        while not ended.is_set():
            (folder / "a").rename(tmp_path / "aside")
            (folder / "a").symlink_to(tmp_path / "victim")
            (folder / "a").unlink()
            (tmp_path / "aside").rename(folder / "a")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(3000):
            _give(folder, "nobody")
    finally:
        ended.set()
        swapper.join()
    _give(folder, "nobody")  # on a busy machine it may never have met the file in its place
    assert victim.stat().st_uid == 0
    assert {(folder / "a").stat().st_uid, (folder / "a" / "file").stat().st_uid} == {folder.stat().st_uid}


@pytest.mark.parametrize(("name", "label"), [("node 7", "node-7"), ("../../etc", "etc"), ("ü", "default")])
def test_a_name_becomes_a_file_name(name: str, label: str) -> None:
    assert label_of(name) == f"millrace-worker-{label}"
