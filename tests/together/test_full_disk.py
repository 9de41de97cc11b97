"""A farm whose disk is full, or may only be read: nothing acknowledged is lost, and it goes on by itself afterwards.

A real file system, which only root may make, with little more room than what the farm keeps free for its table.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from millrace import Farm
from tests.together.ensemble import Ensemble
from tests.worker.processes import until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=230m", "none", folder], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"missing system program: a mount that may make file systems here ({made.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def ensemble(small_disk: Path, tmp_path: Path) -> Iterator[Ensemble]:
    ensemble = Ensemble(tmp_path / "farm", {})
    ensemble.server.data = small_disk / "data"
    ensemble.start()
    yield ensemble
    print(ensemble.end())


def submit(url: str, number: int) -> requests.Response:
    command = {"name": "sleep", "settings": {"time_in_seconds": 1}}
    tasks = [{"name": f"{number}.{n} " + "t" * 150, "task_type": "sleep", "commands": [command]} for n in range(10)]
    job = {"type": "commands", "name": f"job {number}", "settings": {"tasks": tasks}}
    return requests.post(f"{url}/api/v1/jobs", json=job, timeout=60)


def ids(url: str) -> set[str]:
    return {job.id for job in Farm(url, patience_seconds=20.0).jobs()}


def refused(answer: requests.Response) -> bool:
    """In clear words, and as something that may be tried again; a 500 would be a mistake of ours."""
    assert answer.status_code in (201, 503, 507), (answer.status_code, answer.text)
    return answer.status_code != 201


def check_that_all_lasts(ensemble: Ensemble, spoil: Callable[[], None], mend: Callable[[], None]) -> None:
    """What is acknowledged before and during a trouble is there during it, after it, and after a kill."""
    url = ensemble.server.url
    acknowledged = [submit(url, number).json()["id"] for number in range(3)]
    spoil()
    answers = [submit(url, number) for number in range(60)]
    refusals = [answer for answer in answers if refused(answer)]
    assert refusals, "it was full"
    assert all("Retry-After" in answer.headers for answer in refusals if answer.status_code == 503)
    acknowledged += [answer.json()["id"] for answer in answers if answer not in refusals]
    assert set(acknowledged) <= ids(url), "what was there can be read while nothing can be written"
    mend()
    until(lambda: submit(url, 100).status_code == 201, "that it takes jobs again, without a restart", 30)
    ensemble.server.kill()
    ensemble.server.start()
    assert set(acknowledged) <= ids(url)


def test_a_full_disk_loses_nothing_and_is_got_over(ensemble: Ensemble, small_disk: Path) -> None:
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    check_that_all_lasts(ensemble, fill, filler.unlink)


def test_where_objects_may_only_be_read_uploads_are_refused_and_nothing_else(ensemble: Ensemble) -> None:
    url, objects = ensemble.server.url, ensemble.server.data / "objects"
    kept = upload(url, b"kept")
    assert kept.status_code == 200
    mount("--bind", objects, objects)
    try:
        mount("-o", "remount,bind,ro", objects)
        for size in (1000, 2_000_000):
            failed = upload(url, b"x" * size)
            assert failed.status_code in (503, 507), (failed.status_code, failed.text)
        assert requests.get(f"{url}/data/{kept.json()['id']}/blob", timeout=60).content == b"kept"
        assert submit(url, 1).status_code in (201, 503)
    finally:
        subprocess.run(["umount", "-l", objects], check=True)
    assert upload(url, b"x" * 1000).status_code == 200


def test_a_folder_that_may_only_be_read_is_told_at_the_start(ensemble: Ensemble, small_disk: Path) -> None:
    known = submit(ensemble.server.url, 1).json()["id"]
    ensemble.server.kill()
    mount("-o", "remount,ro", small_disk)
    server = subprocess.run(
        [sys.executable, "-m", "chalicelib.embedded", "--port", "0", "--data", str(ensemble.server.data)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert server.returncode == 1 and "cannot use the data folder" in server.stderr, server.stderr
    assert "Traceback" not in server.stderr
    worker = subprocess.run(
        [
            sys.executable,
            "-m",
            "millrace.cli",
            "worker",
            "--farm",
            "http://127.0.0.1:9",
            "--state",
            str(small_disk / "s"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=ensemble.environment,
    )
    assert worker.returncode in (1, 2) and "Read-only file system" in worker.stderr, worker.stderr
    assert "Traceback" not in worker.stderr
    mount("-o", "remount,rw", small_disk)
    ensemble.server.start()
    assert known in ids(ensemble.server.url)


def upload(url: str, content: bytes) -> requests.Response:
    return requests.post(f"{url}/data", files={"file": ("x", content)}, timeout=60)


def mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"missing system program: a mount that may {arguments} here ({done.stderr.strip()})")
