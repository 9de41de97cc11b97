"""A worker in an environment of its own follows its farm's release, between two tasks, or stays with what it has.

The releases are this checkout's worker with another version, packed as the farm packs it. What it needs besides itself
is this test's own, by a path file, so that no package index is asked.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.install.packing import packed
from millrace import Farm, __version__
from millrace.sdk.values import Job
from tests.together.conftest import Found
from tests.together.ensemble import ROOT, Ensemble, Program
from tests.together.submissions import shell, submit
from tests.worker.processes import until

UPGRADE_SECONDS = 100.0
Release = Callable[..., Path]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """`release("9.9.9", **{"agent/run.py": "raise SystemExit(7)"})`: a wheel of that version, with lines put before."""

    def made(version: str, **changes: str) -> Path:
        folder = tmp_path / f"release-{version}"
        shutil.copytree(ROOT / "worker", folder, ignore=shutil.ignore_patterns("__pycache__"))
        for name, key in (("pyproject.toml", "version"), ("millrace/__init__.py", "__version__")):
            old, text = f'{key} = "{__version__}"', (folder / name).read_text()
            assert old in text
            (folder / name).write_text(text.replace(old, f'{key} = "{version}"'))
        for name, code in changes.items():
            path = folder / "millrace" / name
            first = "from __future__ import annotations\n"
            path.write_text(path.read_text().replace(first, f"{first}{code}\n"))
        wheel = packed(folder)
        (tmp_path / wheel.name).write_bytes(wheel.data)
        return tmp_path / wheel.name

    return made


@dataclass
class Machine:
    """An environment with a worker in it, and the farm that it works for."""

    ensemble: Ensemble
    program: Program
    python: Path
    state: Path

    @property
    def farm(self) -> Farm:
        return self.ensemble.farm

    def start(self) -> None:
        url = self.ensemble.server.url
        command = [self.python, "-m", "millrace.cli", "worker", "--farm", url, "--name", "one", "--state", self.state]
        self.program.begin([str(word) for word in [*command, "--upgrade"]])

    def serve(self, wheel: Path) -> None:
        """The farm is started anew, with this release for its workers."""
        self.ensemble.server.terminate()
        self.ensemble.environment["MILLRACE_WORKER_WHEEL"] = str(wheel)
        self.ensemble.server.start()

    def run(self, script: str, folder: Path) -> Job:
        (folder / "code").write_text(script)
        return self.farm.submit("function", {"runtime": "bash", "code": self.farm.upload(folder / "code")})

    def software(self) -> str:
        command = [str(self.python), "-c", "import millrace; print(millrace.__version__, millrace.__file__)"]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.state.parent, timeout=60).stdout

    def says(self, text: str, times: int = 1) -> None:
        until(
            lambda: self.program.output.count(text) >= times or not self.program.runs,
            f"{text!r}, {times} times",
            UPGRADE_SECONDS,
        )
        assert self.program.runs, self.program.output


@pytest.fixture
def machine(found: Found, release: Release, tmp_path: Path) -> Iterator[Machine]:
    old = release("1.0.0")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    [packages] = (tmp_path / "env/lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")))
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", old]
    subprocess.run(install, check=True, capture_output=True, timeout=100)
    left_out = ("MILLRACE_", "PYTHON")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    program = Program("upgraded", tmp_path, {**plain, "HOME": str(tmp_path)})
    one = Machine(found(), program, python, tmp_path / "state")
    one.serve(old)
    one.start()
    yield one
    program.kill()
    print(program.output)


@pytest.mark.timeout(300)
def test_a_worker_becomes_the_new_release_between_two_tasks(machine: Machine, release: Release, tmp_path: Path) -> None:
    before = machine.farm.wait(machine.run("echo before", tmp_path), 60)
    assert before.status == "completed" and "1.0.0" in machine.software()
    pid = machine.program.process.pid
    running = machine.run("sleep 8; echo survived", tmp_path)
    until(lambda: machine.farm.job(running).status == "active", "the task to run", 30)
    machine.serve(release("9.9.9"))
    # The task that ran when the new release came ran to its end, and was not started again.
    ended = machine.farm.wait(running, 90)
    [task] = machine.farm.tasks(ended)
    assert ended.status == "completed" and len(task.attempts) == 1, task
    machine.says("Upgraded to release 9.9.9")
    machine.says("Signed on.", times=2)
    after = machine.farm.wait(machine.run("echo after", tmp_path), 60)
    assert after.status == "completed"
    version, module = machine.software().split()
    assert version == "9.9.9" and module.startswith(str(tmp_path / "env"))
    [worker] = machine.farm.workers()
    assert worker.name == "one"
    # The same process, for whoever watches over it; and quiet from now on.
    assert machine.program.process.pid == pid and machine.program.runs
    assert machine.program.output.count("getting it ready") == 1
    assert machine.program.terminate() == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("broken", ["cli/worker.py", "agent/run.py"])
def test_a_release_that_does_not_start_is_not_installed(
    machine: Machine, release: Release, tmp_path: Path, broken: str
) -> None:
    machine.serve(release("6.6.6", **{broken: "raise SystemExit('broken on purpose')"}))
    machine.says("Staying with the old release")
    assert "broken on purpose" in machine.program.output
    done = machine.farm.wait(machine.run("echo still here", tmp_path), 60)
    assert done.status == "completed" and "1.0.0" in machine.software()
    assert machine.program.output.count("getting it ready") == 1, "it was tried again at once"
    known = json.loads((machine.state / "upgrade.json").read_text())
    assert known["tries"] == 1 and "broken on purpose" in known["why"]
    # Not at its next start either: the try was written down.
    assert machine.program.terminate() == 0
    machine.start()
    again = machine.farm.wait(machine.run("echo and again", tmp_path), 60)
    assert again.status == "completed" and machine.program.output.count("getting it ready") == 1
    # A release that is whole is taken all the same.
    machine.serve(release("7.7.7"))
    machine.says("Upgraded to release 7.7.7")
    machine.says("Signed on.", times=3)
    assert "7.7.7" in machine.software()


@pytest.mark.timeout(300)
def test_a_release_that_breaks_while_it_is_installed_is_put_back(
    machine: Machine, release: Release, tmp_path: Path
) -> None:
    """It starts in a scratch folder, and not where it is to stay."""
    check = "import os, sys\nif 'scratch' not in os.path.abspath(__file__):\n    raise SystemExit('not here')"
    machine.serve(release("5.5.5", **{"agent/run.py": check}))
    machine.says("Staying with the old release; 5.5.5 failed")
    machine.says("Signed on.", times=2)
    done = machine.farm.wait(machine.run("echo still here", tmp_path), 60)
    assert done.status == "completed" and "1.0.0" in machine.software()
    assert machine.program.output.count("getting it ready") == 1


def test_a_worker_that_was_not_asked_to_or_cannot_stays_as_it_is(
    found: Found, release: Release, tmp_path: Path
) -> None:
    """A worker of a checkout, and an old one that knows of no upgrades: both work for a farm with a newer release."""
    ensemble = found()
    ensemble.server.terminate()
    ensemble.environment["MILLRACE_WORKER_WHEEL"] = str(release("9.9.9"))
    ensemble.server.start()
    plain = ensemble.worker("plain")
    asked = ensemble.worker("asked", "--upgrade")
    # Two tasks that wait for each other: each worker has one, and has heard all that the farm has to say.
    meets = "touch {0}; until test -e {1}; do sleep 0.05; done"
    here, there = (shlex.quote(str(tmp_path / name)) for name in ("here", "there"))
    job = submit(ensemble.farm, shell("one", meets.format(here, there)), shell("other", meets.format(there, here)))
    assert ensemble.farm.wait(job, timeout=60).status == "completed"
    assert len(list(ensemble.farm.workers())) == 2
    assert "does not follow the farm's release" in asked.output and "upgrade" not in plain.output
