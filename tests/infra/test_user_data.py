"""What a machine of the fleet does at its first start: the template's own script, run by bash, against a real farm.

In place of AWS: a folder for the buckets, with an `aws` that copies from it and keeps to the machine's rights; a small
metadata service; and stand-ins for what would change this machine (users, systemd). The packages are really installed,
the join token is really exchanged, and the unit's own command line is really started.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chalicelib.install.packing import packed
from deploy.build import ROOT
from deploy.bundle import bundle
from millrace import Farm
from tests.infra.filled import Filled
from tests.together.conftest import Found, found
from tests.together.submissions import shell, submit
from tests.worker.imds import FakeMetadata
from tests.worker.processes import until

__all__ = ["found"]
MACHINE = "i-0123456789abcdef0"
CODE = "millrace-code-123456789012-eu-west-1"
STAND_INS = {
    # What IAM allows this machine: its bundle, and its own join token.
    "aws": """
        [ "$1 $2 $3" = "s3 cp --only-show-errors" ] || exit 9
        case "$4" in
          s3://CODE/workers/*|s3://farm/fleet/joins/AROAEXAMPLE:MACHINE) ;;
          *) echo "AccessDenied: $4" >&2; exit 1;;
        esac
        [ -e "BUCKETS/${4#s3://}" ] || { echo "AccessDenied: $4" >&2; exit 1; }
        if [ "$5" = - ]; then cat "BUCKETS/${4#s3://}"; else cp "BUCKETS/${4#s3://}" "$5"; fi
    """,
    "getent": "exit 2",
    "useradd": 'echo "useradd $*" >> "DONE"',
    "chown": 'echo "chown $*" >> "DONE"',
    "runuser": 'echo "runuser $2" >> "DONE"; shift 3; exec "$@"',
    "systemctl": 'echo "systemctl $*" >> "DONE"',
    "dnf": 'echo "dnf $*" >> "DONE"; exit 1',
    "apt-get": "exit 1",
}


pytestmark = pytest.mark.timeout(600)


def whole_bundle(folder: Path) -> Path:
    """For this machine's processor."""
    architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    folder.mkdir()
    return bundle(folder, architecture).path


def small_bundle(folder: Path) -> Path:
    """The worker without what it needs to run: for tests that end before it does."""
    folder.mkdir()
    wheel = packed(ROOT / "worker")
    (folder / wheel.name).write_bytes(wheel.data)
    (folder / "requirements.lock").write_text("")
    (folder / "wheels").mkdir()
    subprocess.run(
        ["tar", "-C", str(folder), "-cf", str(folder / "worker.tar"), wheel.name, "requirements.lock", "wheels"],
        check=True,
    )
    return folder / "worker.tar"


@dataclass
class Machine:
    folder: Path
    script: str
    imds: FakeMetadata
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def buckets(self) -> Path:
        return self.folder / "buckets"

    @property
    def unit(self) -> str:
        return (self.folder / "root/etc/systemd/system/millrace-worker.service").read_text()

    @property
    def done(self) -> list[str]:
        return (self.folder / "done").read_text().splitlines()

    def installs(self, path: Path) -> None:
        shutil.copy(path, self.buckets / CODE / "workers" / "bundle.tar")

    def command(self) -> list[str]:
        """The unit's own, as systemd splits it."""
        [line] = [line for line in self.unit.splitlines() if line.startswith("ExecStart=")]
        return shlex.split(line.removeprefix("ExecStart="))

    def boots(self, farm_url: str) -> subprocess.CompletedProcess[str]:
        said = [line for line in self.script.splitlines() if line.startswith("farm=")]
        path = self.folder / "user-data"
        path.write_text(self.script.replace(said[0], f"farm='{farm_url}'"))
        return subprocess.run(
            ["bash", str(path)], env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )


@pytest.fixture
def machine(whole: dict[str, Any], tmp_path: Path) -> Iterator[Machine]:
    given = {
        **{"Fleet": "yes", "Stage": "prod", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"},
        **{"Bucket": "farm", "FleetRole.RoleId": "AROAEXAMPLE", "FleetTags": "gpu,big", "CloudFront": "no"},
        **{"FleetBundle": "workers/bundle.tar", "FleetTaskTypes": "exec,sleep", "FleetSlots": "2"},
    }
    data = whole["Resources"]["FleetTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]
    script = Filled(whole, given).value(data)
    with FakeMetadata({"instance-id": MACHINE}).served() as imds:
        machine = Machine(tmp_path, script, imds)
        (machine.buckets / CODE / "workers").mkdir(parents=True)
        (machine.buckets / "farm" / "fleet" / "joins").mkdir(parents=True)
        (tmp_path / "root/etc/systemd/system").mkdir(parents=True)
        programs = stand_ins(tmp_path, machine.buckets)
        machine.environment = {
            "PATH": f"{programs}:{Path(sys.executable).resolve().parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "MILLRACE_ROOT": str(tmp_path / "root"),
            "MILLRACE_IMDS": imds.address,
            "MILLRACE_PAUSE": "0",
        }
        yield machine


def stand_ins(folder: Path, buckets: Path) -> Path:
    programs = folder / "programs"
    programs.mkdir()
    places = {"BUCKETS": str(buckets), "DONE": str(folder / "done"), "CODE": CODE, "MACHINE": MACHINE}
    for name, text in STAND_INS.items():
        for place, value in places.items():
            text = text.replace(place, value)
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    return programs


def test_it_is_a_script_that_bash_can_read_and_that_fits(machine: Machine) -> None:
    assert subprocess.run(["bash", "-n"], input=machine.script, text=True, check=False).returncode == 0
    assert len(machine.script.encode()) < 16_000  # what EC2 takes
    assert machine.script.startswith("#!/bin/bash\n")


def test_a_machine_becomes_a_worker_works_and_leaves_when_spot_takes_it(machine: Machine, found: Found) -> None:
    machine.installs(whole_bundle(machine.folder / "bundle"))
    ensemble = found("--auth", "token")
    farm = Farm(ensemble.server.url, ensemble.server.admin_token, patience_seconds=20.0)
    text = farm.make_join_token().text
    assert text is not None
    left = machine.buckets / "farm" / "fleet" / "joins" / f"AROAEXAMPLE:{MACHINE}"
    left.write_text(text)
    done = machine.boots(ensemble.server.url)
    assert done.returncode == 0, done.stderr
    assert text not in done.stdout + done.stderr
    assert machine.done[-2:] == ["systemctl daemon-reload", "systemctl enable --now millrace-worker.service"]
    assert "runuser millrace" in machine.done
    assert not [line for line in machine.done if line.startswith("dnf")]
    state = machine.folder / "root/var/lib/millrace"
    assert (state / "token.json").stat().st_mode & 0o777 == 0o600

    for wanted in ("Restart=on-failure", "KillMode=mixed", "User=millrace", "WantedBy=multi-user.target"):
        assert wanted in machine.unit.splitlines()
    assert complaints_of_systemd(machine) == []

    environment = {"HOME": str(machine.folder), "AWS_EC2_METADATA_SERVICE_ENDPOINT": machine.imds.address}
    with (machine.folder / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            machine.command(), env={**environment, "PATH": os.environ["PATH"]}, stdout=log, stderr=log
        )
    try:
        job = submit(farm, shell("here", "echo it works"), tags=["fleet", "gpu", "big"])
        assert farm.wait(job, 90).status == "completed"
        [one] = farm.workers()
        assert (one.name, one.slots, one.task_types) == (MACHINE, 2, ("exec", "sleep"))
        machine.imds.spot_takes_it_in(0)
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        print((machine.folder / "worker.log").read_text())
    until(lambda: [one.status for one in farm.workers()] == ["offline"], "the sign-off", 20)


def complaints_of_systemd(machine: Machine) -> list[str]:
    """Where there is one to ask. The user is missing here."""
    if shutil.which("systemd-analyze") is None:
        return []
    path = machine.folder / "millrace-worker.service"
    path.write_text(machine.unit.replace("User=millrace", "User=root"))
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if path.name in line]


def test_without_a_join_token_it_gives_up_and_starts_nothing(machine: Machine) -> None:
    machine.installs(small_bundle(machine.folder / "bundle"))
    other = machine.buckets / "farm" / "fleet" / "joins" / "AROAEXAMPLE:i-another"
    other.write_text("mrj_not-for-this-machine")
    done = machine.boots("http://127.0.0.1:9")
    assert done.returncode == 1
    assert "the farm has left no join token" in done.stderr
    assert not [line for line in machine.done if line.startswith("systemctl")]


def test_without_what_it_installs_it_gives_up(machine: Machine) -> None:
    done = machine.boots("http://127.0.0.1:9")
    assert done.returncode != 0
    assert "given up: aws s3 cp" in done.stderr
