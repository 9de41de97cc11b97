"""`millrace worker install` on a real farm: what it writes runs, and holds no token."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from millrace import Farm
from tests.together.conftest import Found
from tests.together.ensemble import Ensemble, Program
from tests.worker.processes import until


@dataclass
class Machine:
    """A home of its own. There is no systemd at work in it, so that what would be run fails, and says so."""

    ensemble: Ensemble
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        left_out = ("XDG_", "DBUS_", "MILLRACE_", "SUDO_")
        kept = {name: value for name, value in self.ensemble.environment.items() if not name.startswith(left_out)}
        return {**kept, "HOME": str(self.home)}

    def cli(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "millrace.cli", "worker", *arguments]
        environment = {**self.environment, **more}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)

    @property
    def unit(self) -> Path:
        return self.home / ".config/systemd/user/millrace-worker-node7.service"


@pytest.fixture
def machine(found: Found, tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "home").mkdir()
    yield Machine(found("--auth", "token"), tmp_path / "home")


@pytest.mark.skipif(sys.platform != "linux", reason="writes a unit of systemd")
def test_what_is_installed_runs_without_a_token(machine: Machine, tmp_path: Path) -> None:
    server = machine.ensemble.server
    farm = Farm(server.url, server.admin_token, patience_seconds=20.0)
    refused = machine.cli("install", "--farm", farm.url, "--name", "node7")
    assert refused.returncode == 2 and "millrace token --join" in refused.stderr and not machine.unit.exists()

    token = str(farm.make_join_token().text)
    options = ["--farm", farm.url, "--name", "node7", "--tags", "gpu,big", "--slots", "3", "--join", token]
    shown = machine.cli("install", "--print", *options)
    assert shown.returncode == 0 and "ExecStart=" in shown.stdout and "# run systemctl --user" in shown.stdout
    assert not machine.unit.exists() and not (machine.home / ".local").exists()

    done = machine.cli("install", *options, HTTPS_PROXY="http://artist:secret@127.0.0.1:9")
    assert machine.unit.exists(), done.stderr
    assert (done.returncode == 0) == ("failed" not in done.stderr)
    text = machine.unit.read_text()
    [line] = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    command = shlex.split(line.removeprefix("ExecStart=").replace("%%", "%").replace("$$", "$"))
    state = Path(command[command.index("--state") + 1])
    lasting = json.loads((state / "token.json").read_text())["token"]
    for secret in (token, lasting, server.admin_token, "artist:secret"):
        assert secret not in text
    for name in ("token.json", "service.json"):
        assert (state / name).stat().st_mode & 0o777 == 0o600
    assert json.loads((state / "service.json").read_text())["environment"]["HTTPS_PROXY"].startswith("http://artist")

    # As systemd would: this line, and an environment of its own.
    program = Program("unit", tmp_path, {"HOME": str(machine.home), "PYTHONPATH": machine.environment["PYTHONPATH"]})
    program.begin(command)
    try:
        until(lambda: bool(list(farm.workers())) or not program.runs, "the worker", 40)
        [worker] = farm.workers()
        assert (worker.name, worker.slots, set(worker.tags) >= {"gpu", "big"}) == ("node7", 3, True), program.output
        given = Path(f"/proc/{program.process.pid}/cmdline").read_text()
        assert token not in given and lasting not in given
        assert program.terminate() == 0
    finally:
        program.kill()
        print(program.output)


@pytest.mark.skipif(sys.platform != "linux", reason="writes a unit of systemd")
def test_it_is_taken_away_again_and_the_state_stays(machine: Machine) -> None:
    server = machine.ensemble.server
    farm = Farm(server.url, server.admin_token, patience_seconds=20.0)
    token = str(farm.make_join_token().text)
    machine.cli("install", "--farm", farm.url, "--name", "node7", "--join", token)
    assert machine.unit.exists()
    machine.cli("uninstall", "--name", "node7")
    assert not machine.unit.exists()
    assert list((machine.home / ".local/state/millrace/worker").rglob("token.json"))
    again = machine.cli("uninstall", "--name", "node7")
    assert again.returncode == 1 and "there is no such service" in again.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="writes a unit of systemd")
def test_wrong_use_is_refused_before_anything_is_written(machine: Machine) -> None:
    url = machine.ensemble.server.url
    for wrong, said in (
        (["--as", "root"], "--as goes with --system"),
        (["--slots", "0"], "--slots"),
        (["--join", "mrj_wrong"], "does not let this worker join"),
    ):
        done = machine.cli("install", "--farm", url, "--name", "node7", *wrong)
        assert done.returncode in (1, 2) and said in done.stderr, (wrong, done.stderr)
    if os.geteuid() == 0:
        done = machine.cli("install", "--farm", url, "--system", "--name", "node7")
        assert done.returncode == 2 and "--as USER" in done.stderr
    assert not machine.unit.exists()
