"""A worker that `worker install` has given to systemd, with `--task-cgroup own`: a task that eats memory, a worker that
is killed. Only in a system that is thrown away afterwards: `tests/worker/on_cgroup2.sh` makes one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace.agent import cgroups

pytestmark = pytest.mark.skipif(
    not Path("/run/systemd-to-throw-away").exists(),
    reason="installs a unit of the system; tests/worker/on_cgroup2.sh has a system for it",
)
UNIT = "millrace-worker-unit.service"
GROUP = Path("/sys/fs/cgroup/system.slice") / UNIT
EATS = "a = b'x' * ({frame} << 28)"  # 256 MB for frame 1
MOST_SECONDS = 120


def run(*words: str, fails: bool = False) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=MOST_SECONDS)
    assert (done.returncode != 0) == fails, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def until(what: Callable[[], bool], name: str) -> None:
    end = time.monotonic() + MOST_SECONDS
    while not what():
        assert time.monotonic() < end, f"waited in vain for: {name}"
        time.sleep(0.1)


def main_pid() -> int:
    return int(run("systemctl", "show", "--property=MainPID", "--value", UNIT))


def group_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().strip()


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """`millrace` on the command line, for a farm that runs."""
    command = [sys.executable, "-m", "millrace.cli"]
    serve = [*command, "serve", "--port", "0", "--data", str(tmp_path / "farm")]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            monkeypatch.setenv("MILLRACE_URL", server.stdout.readline().split()[1])
            yield lambda *words, fails=False: run(*command, *words, fails=fails)
        finally:
            server.terminate()


@pytest.fixture
def state() -> Iterator[Path]:
    """Which every user can reach, other than pytest's folders."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "state"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("account", ["root", "daemon"])
def test_a_worker_of_systemd_divides_the_group_of_its_unit(farm: Callable[..., str], state: Path, account: str) -> None:
    if subprocess.run([sys.executable, "-c", ""], user=account, capture_output=True).returncode:
        pytest.skip(f"user {account} cannot run {sys.executable}")
    limits = ["--task-cgroup", "own", "--task-memory-mb", "100", "--task-cpus", "1"]
    who = ["--name", "unit", "--state", str(state), "--system", "--as", account]
    farm("worker", "install", *who, "--no-upgrade", *limits)
    until(lambda: "unit" in farm("workers"), "the worker's first word")
    assert group_of(main_pid()) == f"0::/system.slice/{UNIT}/worker"

    submit = ["submit", "frames", "--frames", "1", "--max-retries", "0", "--"]
    eater = farm(*submit, "python3", "-c", EATS).split()[-1]
    farm("wait", eater, fails=True)
    assert "the task was killed at its memory limit of 100 MB" in farm("show", eater)
    assert list(GROUP.glob("millrace-*")) == []

    # Killed with a task at work: nothing of that is left, and the worker that systemd starts again divides as before.
    farm(*submit, "sleep", "60{frame}")
    until(lambda: any(cgroups.pids(group) for group in GROUP.glob("millrace-*")), "the task's process")
    [old] = [pid for group in GROUP.glob("millrace-*") for pid in cgroups.pids(group)]
    killed = main_pid()
    os.kill(killed, 9)
    until(lambda: not Path(f"/proc/{old}").exists(), "the end of the task")
    until(lambda: main_pid() not in (0, killed) and group_of(main_pid()).endswith("/worker"), "another worker")

    run("systemctl", "stop", UNIT)
    assert not GROUP.exists()
