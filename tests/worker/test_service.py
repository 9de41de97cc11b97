"""What `worker install` writes: judged by systemd itself, or read back as a property list and as XML."""

from __future__ import annotations

import plistlib
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("name", "label"), [("node 7", "node-7"), ("../../etc", "etc"), ("ü", "default")])
def test_a_name_becomes_a_file_name(name: str, label: str) -> None:
    assert label_of(name) == f"millrace-worker-{label}"
