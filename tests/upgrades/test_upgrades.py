"""A farm of release 0.1.0 goes on under today's code, and each side of today's with the other side of then's.

`farm_0.1.0.tar.xz` is the folder of a server that was killed in the middle of its work, with its worker's
(`record.py`); `release_0.1.0.tar.xz` is the code of that release, which runs in the environment of today.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.core.upgrading import UPGRADES
from chalicelib.store.rows import decode_body
from millrace import Farm
from tests.together.ensemble import Ensemble, Server, Worker
from tests.worker.processes import until

HERE = Path(__file__).parent
SECONDS = {"MILLRACE_LEASE_SECONDS": "3", "MILLRACE_GRACE_SECONDS": "1"}
SCRIPT = 'echo "frame $1" > "$2/f$1.txt"; sleep 0.2'
RENDER = {"frames": "1-6", "command": ["sh", "-c", SCRIPT, "-", "{frame}", "{output}"]}


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(HERE / name) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old_code(tmp_path: Path) -> dict[str, str]:
    """The environment in which Python runs the release."""
    folder = unpacked("release_0.1.0.tar.xz", tmp_path / "release")
    return {**os.environ, **SECONDS, "PYTHONPATH": f"{folder}:{folder / 'worker'}", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    ensemble = Ensemble(tmp_path / "ensemble", SECONDS)
    yield ensemble
    print(ensemble.end())


class Asking(threading.Thread):
    """Asks for the list of jobs all the time, and notes what is not answered."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url, self._ended = url, threading.Event()
        self.statuses: list[int] = []

    def run(self) -> None:
        while not self._ended.wait(0.02):
            try:
                self.statuses.append(requests.get(f"{self._url}/api/v1/jobs", timeout=20).status_code)
            except requests.RequestException:
                self.statuses.append(0)

    def end(self) -> list[int]:
        self._ended.set()
        self.join()
        return self.statuses


def item(data: Path, pk: str) -> dict[str, Any]:
    with sqlite3.connect(data / "farm.db") as connection:
        row = connection.execute("SELECT body FROM items WHERE pk = ?", (pk,)).fetchone()
    connection.close()
    return {} if row is None else dict(decode_body(row[0]))


@pytest.mark.timeout(300)
def test_a_farm_of_the_last_release_goes_on_and_is_brought_up_to_date_meanwhile(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    unpacked("farm_0.1.0.tar.xz", tmp_path / "old")
    data = ensemble.server.data = tmp_path / "old" / "farm"
    told = json.loads((data / "told.json").read_text())
    function = f"FUNCTION#{told['function']}"
    assert "form" not in item(data, function) and not item(data, "FARM").get("upgraded")
    ensemble.start()
    ensemble.server.kill()  # whatever it was doing
    ensemble.server.start()
    asking = Asking(ensemble.server.url)
    asking.start()
    until(lambda: item(data, "FARM").get("upgraded") == len(UPGRADES), "that the upgrade is over", 60)
    assert item(data, function).items() >= {"form": 1, "listing_pk": "LIST#functions"}.items()
    farm, jobs = ensemble.farm, told["jobs"]
    second = next(task for task in farm.tasks(jobs["half run"]) if task.name == "second")
    worker = Worker("as before", ensemble.server.url, ensemble.folder, ensemble.environment, ["--slots", "4"])
    ensemble.workers["as before"] = worker
    worker.start()
    farm.resume(jobs["waits"])
    for name in ("waits", "large"):
        assert farm.wait(jobs[name], timeout=120).status == "completed", name
    assert farm.job(jobs["done"]).status == "completed"
    assert farm.job(jobs["large"]).counts["completed"] == 400
    until(lambda: len(farm.task(second).attempts) > 1, "that the lease of then has ended and the task runs again", 60)
    farm.cancel(jobs["half run"])
    assert set(asking.end()) == {200}


@pytest.mark.timeout(200)
def test_a_worker_of_the_last_release_works_for_todays_farm(
    tmp_path: Path, ensemble: Ensemble, old_code: dict[str, str]
) -> None:
    ensemble.start()
    worker = Worker("old", ensemble.server.url, ensemble.folder, old_code, [])
    worker.cwd = tmp_path
    ensemble.workers["old"] = worker
    worker.start()
    job = ensemble.farm.submit("frames", RENDER, name="render")
    until(lambda: ensemble.farm.job(job).counts.get("completed", 0) >= 2, "two frames", 60)
    worker.kill()
    worker.start()
    assert ensemble.farm.wait(job, timeout=100).status == "completed"
    assert "/release/" in worker_code(worker)
    made = {path.name: path.read_text() for path in ensemble.farm.download(job, tmp_path / "results")}
    assert made == {f"f{frame}.txt": f"frame {frame}\n" for frame in range(1, 7)}


@pytest.mark.timeout(200)
def test_todays_worker_works_for_a_farm_of_the_last_release(
    tmp_path: Path, ensemble: Ensemble, old_code: dict[str, str]
) -> None:
    server = Server("server", ensemble.folder, old_code)
    server.cwd = tmp_path / "release"
    ensemble.server = server
    server.start()
    assert "/release/" in worker_code(server)
    worker = ensemble.worker("new")
    farm = Farm(server.url, patience_seconds=20)
    job = farm.submit("frames", RENDER, name="render")
    until(lambda: farm.job(job).counts.get("completed", 0) >= 2, "two frames", 60)
    worker.kill()
    worker.start()
    time.sleep(0.5)
    server.kill()
    server.start()
    assert farm.wait(job, timeout=100).status == "completed"
    assert len(farm.download(job, tmp_path / "results")) == 6


def worker_code(program: Server | Worker) -> str:
    """Where a process's code comes from."""
    return Path(f"/proc/{program.process.pid}/environ").read_bytes().decode(errors="replace")
