"""A worker whose disk is full: what it cannot do fails with the reason, it takes nothing that would fail, and it goes
on by itself afterwards.

A real file system, which only root may make.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace.sdk.values import Job
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

MB = 1024**2
DISK_MB = 64
SECONDS = 60.0
LENGTH = "import sys; sys.stdout.write(str(len(sys.stdin.buffer.read())))"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"missing system program: a mount that may make file systems here ({made.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def ensemble(disk: Path, found: Callable[..., Ensemble]) -> Ensemble:
    ensemble = found()
    ensemble.worker("small", "--state", str(disk / "state"))
    return ensemble


def measured(ensemble: Ensemble, folder: Path, megabytes: int) -> Job:
    """A job that reads so much, ended."""
    (folder / "length.py").write_text(LENGTH)
    content = folder / f"{megabytes}"
    content.write_bytes(bytes([megabytes]) * megabytes * MB)
    settings = {"runtime": "python3", "code": folder / "length.py", "input": content}
    return ensemble.farm.wait(ensemble.farm.submit("function", settings, max_retries=0), timeout=SECONDS)


def test_an_input_that_has_no_room_fails_its_task_and_leaves_room_for_others(
    ensemble: Ensemble, disk: Path, tmp_path: Path
) -> None:
    too_large = measured(ensemble, tmp_path, DISK_MB + 20)
    assert too_large.status == "failed"
    [task] = ensemble.farm.tasks(too_large)
    said = ensemble.farm.task(task.id).attempts[-1].error or ""
    assert "input 'input' (88,080,384 bytes): no room for it" in said and "No space left on device" in said
    assert list((disk / "state" / "cache").glob("*.part")) == []
    assert measured(ensemble, tmp_path, 20).status == "completed"


def test_what_is_cached_makes_way_for_what_is_needed(ensemble: Ensemble, tmp_path: Path) -> None:
    for megabytes in (30, 40, 31):
        assert measured(ensemble, tmp_path, megabytes).status == "completed"
    assert "The disk is full: the cache is emptied." in ensemble.workers["small"].output


def test_a_worker_with_a_full_disk_reports_what_ended_and_takes_nothing_until_there_is_room(
    ensemble: Ensemble, disk: Path, tmp_path: Path
) -> None:
    filler = disk / "filler"
    script = "import shutil, sys; size = shutil.disk_usage(sys.argv[1]).free + 2**20; print('filling')\n"
    script += "try: open(sys.argv[2], 'wb', 0).write(bytes(size))\nexcept OSError: pass\nprint('filled')"
    command = shlex.join([sys.executable, "-c", script, str(disk), str(filler)])
    task = {"name": "fill", "task_type": "exec", "commands": [{"name": "exec", "settings": {"cmd": command}}]}
    job = ensemble.farm.submit("commands", {"tasks": [task]}, max_retries=0)
    ended = ensemble.farm.wait(job, timeout=SECONDS)
    assert ended.status == "completed", ended.error

    def status() -> str:
        [worker] = ensemble.farm.workers()
        return worker.status

    until(lambda: status() == "error", "the farm knows that the worker's disk is full", SECONDS)
    said = "No tasks are taken: the disk is full"
    assert said in ensemble.workers["small"].output
    echo = {"name": "echo", "settings": {"message": "there is room"}}
    task = {"name": "wait", "task_type": "debug", "commands": [echo]}
    waiting = ensemble.farm.submit("commands", {"tasks": [task]})
    filler.unlink()
    assert ensemble.farm.wait(waiting, timeout=SECONDS).status == "completed"
    [ran] = ensemble.farm.tasks(waiting)
    assert len(ensemble.farm.task(ran.id).attempts) == 1, "it was not taken before"
    until(lambda: status() == "awake", "the worker is awake again", SECONDS)
    assert ensemble.workers["small"].output.count(said) == 1
