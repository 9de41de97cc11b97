"""`chalice local`: the same app on the embedded engine, behind chalice's own server. Blobs go through the API, and the
sweep runs on request."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from millrace import Farm
from tests.packaging.conftest import chalice
from tests.together.ensemble import Worker
from tests.worker.processes import until

ROOT = Path(__file__).resolve().parents[2]


class Local:
    """A running `chalice local`, and a folder for its data and its workers."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url, self.folder, self.log = f"http://127.0.0.1:{port}", folder, folder / "chalice.log"
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "PYTHONUNBUFFERED": "1"}
        command = chalice("local", "--stage", "local", "--no-autoreload", "--port", str(port))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, "MILLRACE_DATA": str(folder / "farm")},
                stdout=log,
                stderr=log,
            )
        try:
            until(self.answers, "an answer of chalice local", 120)
        except BaseException:
            self.end()
            raise

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/api/v1/farm", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def local(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    one = Local(free_port(), tmp_path_factory.mktemp("local"))
    yield one
    one.end()
    print(one.log.read_text())


def test_it_is_a_farm(local: Local) -> None:
    assert requests.get(local.url, timeout=10).json() == {"message": "Millrace"}
    answer = requests.get(f"{local.url}/api/v1/farm", timeout=10).json()
    assert (answer["name"], answer["auth"]) == ("Millrace", "open")


def test_a_function_runs_through_it_with_our_worker(local: Local, tmp_path: Path) -> None:
    worker = Worker("local-worker", local.url, local.folder, local.environment, [])
    worker.start()
    try:
        farm = Farm(local.url)
        (tmp_path / "code").write_text("import sys; sys.stdout.write(sys.stdin.read() * 2)")
        (tmp_path / "input").write_text("again ")
        blobs = {name: farm.upload(tmp_path / name) for name in ("code", "input")}
        job = farm.wait(farm.submit("function", {**blobs, "runtime": "python3"}), timeout=120)
        assert job.status == "completed", job
        [path] = farm.download(job, tmp_path / "result")
        assert path.read_text() == "again again "
        assert worker.terminate() == 0
    finally:
        worker.clear_up()
        print(worker.output)


def test_the_sweep_runs_on_request(local: Local) -> None:
    swept = requests.post(f"{local.url}/api/v1/sweep", json={"thorough": True}, timeout=20)
    assert (swept.status_code, swept.json()["failed"]) == (200, 0)


def test_unknown_things_are_404_in_json(local: Local) -> None:
    answer = requests.get(f"{local.url}/api/v1/jobs/12345", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    blob = requests.get(f"{local.url}/data/12345/blob", timeout=10)
    assert (blob.status_code, blob.headers["Content-Type"], blob.json()["code"]) == (404, "application/json", 601)


def test_a_foreign_page_is_refused_here_too(local: Local) -> None:
    answer = requests.get(f"{local.url}/api/v1/farm", headers={"Origin": "http://elsewhere.example"}, timeout=10)
    assert answer.status_code == 403


def test_its_data_stays_out_of_the_project(local: Local) -> None:
    assert (local.folder / "farm" / "farm.db").is_file()
