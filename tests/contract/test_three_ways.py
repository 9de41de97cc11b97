"""The recordings of every dialect, answered by the whole app as recorded: in this process, by `millrace serve`, and by
`chalice local`, each with one farm for all of them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests

from app import app
from chalicelib.bootstrap import embedded_farm, feed_of
from chalicelib.config import Settings
from chalicelib.edge import current
from chalicelib.embedded.server import EmbeddedServer
from tests.contract.native_session import NativeSession
from tests.contract.replay import Answer, InProcess, OverHttp, Transport, check_recording
from tests.packaging.conftest import chalice
from tests.together.ensemble import ROOT, Ensemble, Worker
from tests.worker.processes import until

FOLDER = Path(__file__).parent
DIALECTS = ("front_door", "flamenco1", "pleiades", "flamenco2", "transcode", "scheduler")
"""Flamenco 1 lists everybody's workers with all they did, so it comes before those, and there the lists come first."""


def _lists_workers(path: Path) -> bool:
    steps = json.loads(path.read_text())["steps"]
    return any(step["request"]["method"] == "GET" and step["request"]["path"] == "/workers" for step in steps)


RECORDINGS = [
    path
    for dialect in DIALECTS
    for path in sorted((FOLDER / dialect).glob("*.json"), key=lambda path: (not _lists_workers(path), path))
]
ONLY_BEHIND_OUR_OWN_DOOR = {
    "front_door/unknown_paths.json": "API Gateway, and who plays it, answers by itself where no route is declared",
}
"""What is not replayed in process and over `chalice local`, and why."""
LASTING = ("sleep", "bash")
"""What the scheduler's recordings run that does not end by itself."""
ENDED = ("completed", "failed", "canceled")


class Place(Protocol):
    """Where one farm answers. `url` is where workers find it."""

    url: str
    has_our_door: bool

    def transport(self) -> Transport: ...
    def end(self) -> str: ...


class ThisProcess:
    """The real app, called as API Gateway does. A server beside it is there for workers only."""

    has_our_door = False

    def __init__(self, folder: Path) -> None:
        settings = Settings(data=folder / "farm")
        self.farm = embedded_farm(settings)
        self._feed = feed_of(self.farm)
        self._feed.start()
        current.serve(self.farm, settings)
        self._server = EmbeddedServer(app, self.farm.objects, clock=self.farm.clock, on_stop=[self.farm.bell.close])  # type: ignore[arg-type, attr-defined]
        self._server.start()
        self.url = self._server.url

    def transport(self) -> Transport:
        return InProcess(app)

    def end(self) -> str:
        self._server.stop(1.0)
        self._feed.stop()
        current.forget()
        self.farm.table.close()  # type: ignore[attr-defined]
        return ""


class Serve:
    """`millrace serve`, as the process it is."""

    has_our_door = True

    def __init__(self, folder: Path) -> None:
        self._ensemble = Ensemble(folder, {}).start()
        self.url = self._ensemble.server.url

    def transport(self) -> Transport:
        return OverHttp()

    def end(self) -> str:
        return self._ensemble.end()


class ChaliceLocal:
    """`chalice local`. It starts slowly."""

    has_our_door = False

    def __init__(self, folder: Path, port: int) -> None:
        self.url, self._log = f"http://127.0.0.1:{port}", folder / "chalice.log"
        folder.mkdir(parents=True, exist_ok=True)
        command = chalice("local", "--stage", "local", "--no-autoreload", "--port", str(port))
        environment = {**os.environ, "MILLRACE_DATA": str(folder / "farm"), "PYTHONUNBUFFERED": "1"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            until(self._answers, "an answer of chalice local", 60)
        except BaseException:
            self.end()
            raise

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return requests.get(f"{self.url}/ping", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def transport(self) -> Transport:
        return OverHttp()

    def end(self) -> str:
        self._process.kill()
        self._process.wait()
        return self._log.read_text()


@pytest.fixture(scope="module", params=["this process", "millrace serve", "chalice local"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, free_port: Any) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("three-ways")
    place: Place
    if request.param == "this process":
        place = ThisProcess(folder)
    else:
        place = Serve(folder) if request.param == "millrace serve" else ChaliceLocal(folder, free_port())
    yield place
    print(place.end())


@pytest.fixture(scope="module")
def node7(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The UUID of our own worker, which runs programs there."""
    folder = tmp_path_factory.mktemp("node7")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "PYTHONUNBUFFERED": "1"}
    worker = Worker("node7", place.url, folder, environment, ["--slots", "50", "--types", "exec"])
    worker.start()

    def found() -> str:
        workers = requests.get(f"{place.url}/api/v1/workers?status=awake", timeout=10).json()["items"]
        return next((str(one["uuid"]) for one in workers if one["slots"] == 50), "")

    try:
        until(lambda: bool(found()), "a worker", 30)
        yield found()
    finally:
        worker.clear_up()
        print(worker.output)


class Leftovers:
    """What recordings leave in the farm at `url`, through calls of its own API and of the dialects."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()

    def get(self, path: str) -> Any:
        return self._session.get(self._url + path, timeout=20).json()

    def jobs(self) -> list[dict[str, Any]]:
        return list(self.get("/api/v1/jobs?limit=1000")["items"])

    def are_quiet(self) -> bool:
        """Each of the scheduler's programs either lasts, or has ended."""
        return all(self._is_quiet(job) for job in self.jobs() if job["type"] == "command")

    def _is_quiet(self, job: dict[str, Any]) -> bool:
        [task] = self.get(f"/api/v1/jobs/{job['id']}/tasks")["items"]
        lasts = job["status"] not in ENDED and task["status"] == "active" and task["name"] in LASTING
        return lasts or task["status"] in ENDED

    def clear_up(self) -> None:
        """No job is left to another's worker, and no worker is left disabled."""
        for job in self.jobs():
            if job["status"] not in ENDED:
                self._session.post(f"{self._url}/api/v1/jobs/{job['id']}/cancel", timeout=20)
        for worker in self.get("/workers").values():
            if worker["status"] == "disabled":
                url = f"{self._url}/workers/status/{worker['id']}"
                self._session.patch(url, data={"status": "enabled"}, timeout=20)
        self._session.close()


class WhenQuiet:
    """Asks when the program lasts, or has ended: a recording says what comes of it, not how long that takes."""

    def __init__(self, transport: Transport, leftovers: Leftovers) -> None:
        self._transport, self._leftovers = transport, leftovers

    def send(self, request: requests.PreparedRequest) -> Answer:
        if request.path_url == "/query":
            until(self._leftovers.are_quiet, "quiet", 20)
        return self._transport.send(request)


@pytest.fixture
def leftovers(place: Place) -> Iterator[Leftovers]:
    leftovers = Leftovers(place.url)
    yield leftovers
    leftovers.clear_up()


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recording_is_answered_as_recorded(
    place: Place, path: Path, leftovers: Leftovers, request: pytest.FixtureRequest
) -> None:
    name = f"{path.parent.name}/{path.name}"
    if name in ONLY_BEHIND_OUR_OWN_DOOR and not place.has_our_door:
        pytest.skip(ONLY_BEHIND_OUR_OWN_DOOR[name])
    text = path.read_text()
    transport = place.transport()
    if path.parent.name == "scheduler":
        text = text.replace("$worker", request.getfixturevalue("node7"))
        transport = WhenQuiet(transport, leftovers)
    check_recording(json.loads(text), transport, place.url)


def test_the_native_recordings_are_answered_as_recorded(place: Place, leftovers: Leftovers) -> None:
    session = NativeSession(place.transport(), place.url)
    session.run()
    assert session.left == {"register_without_token"}  # of a closed farm; `tests/edge/test_closed_farm.py`
