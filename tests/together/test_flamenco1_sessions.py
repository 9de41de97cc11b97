"""The sessions of Flamenco 1 as they are seen on the wire: a Server and a worker of either generation, which runs the
compiled command lines, at a farm that has no other workers; open, and with tokens in the URLs."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from millrace import Farm
from tests.together.ensemble import Ensemble
from tests.together.flamenco1_workers import PullingWorker, RunningWorker, install_blender
from tests.worker.processes import until


@dataclass
class FlamencoFarm:
    """A farm as a Server of Flamenco 1 knows it."""

    url: str
    """With a Server's token, where one is needed."""
    worker_url: str
    farm: Farm

    def call(self, method: str, path: str, status: int, **options: Any) -> Any:
        answer = requests.request(method, self.url + path, timeout=20, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def send(self, number: int, kind: str, settings: Any, files: Any = None, **more: Any) -> Any:
        form = {"task_id": number, "type": kind, "parser": "blender_render", "settings": json.dumps(settings)}
        return self.call("POST", "/tasks", 202, data={**form, "priority": 50, **more}, files=files)

    def worker(self, name: str) -> Any:
        return self.call("GET", "/workers", 200)[name]

    def is_free(self, name: str) -> bool:
        """As a Server looks whether it may send."""
        shown = self.worker(name)
        return not shown["current_task"] and (shown["connection"], shown["status"]) == ("online", "enabled")

    def job(self, name: str) -> Any:
        """The newest of that name."""
        return max((job for job in self.farm.jobs() if job.name == name), key=lambda job: job.created_at)


@pytest.fixture(scope="module", params=["open", "token"])
def flamenco(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlamencoFarm]:
    ensemble = Ensemble(tmp_path_factory.mktemp(request.param), {}, ["--auth", request.param])
    try:
        yield _known_to_flamenco(ensemble.start(), closed=request.param == "token")
    finally:
        print(ensemble.end())


def _known_to_flamenco(ensemble: Ensemble, *, closed: bool) -> FlamencoFarm:
    plain = ensemble.server.url
    if not closed:
        return FlamencoFarm(plain, plain, Farm(plain))
    farm = Farm(plain, token=ensemble.server.admin_token)
    made = (farm.make_token("server", ["submit", "operate"]), farm.make_token("node", ["worker"]))
    server_url, worker_url = (plain.replace("//", f"//{token.text}:@") for token in made)
    return FlamencoFarm(server_url, worker_url, farm)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program that takes Blender's arguments."""
    return install_blender(tmp_path_factory.mktemp("programs")).parent


@pytest.fixture
def pushed(flamenco: FlamencoFarm, programs: Path) -> Iterator[RunningWorker]:
    worker = RunningWorker(flamenco.worker_url, programs)
    worker.start()
    yield worker
    worker.stop()


def scene_at(folder: Path, content: str) -> dict[str, Any]:
    """Settings of the push generation: everybody sees the same folders."""
    (folder / "a.blend").write_text(content)
    (folder / "settings.py").write_text("# how it is to be rendered")
    paths = {"file_path_linux": str(folder / "a.blend"), "output_path_linux": str(folder)}
    return {**paths, "render_settings": str(folder / "settings.py"), "frame_start": 3, "frame_end": 5, "format": "PNG"}


def test_a_session_of_the_push_generation(flamenco: FlamencoFarm, pushed: RunningWorker, tmp_path: Path) -> None:
    until(lambda: flamenco.is_free(pushed.hostname), "a free worker", 10)
    sent = flamenco.send(7, "simple_blender_render", scene_at(tmp_path, "scene"))
    assert sent == {
        **{"id": 7, "worker_id": flamenco.worker(pushed.hostname)["id"], "priority": 50, "status": "rendering"},
        **{"frame_start": 3, "frame_end": 5, "frame_current": 3, "format": "PNG"},
    }
    assert pushed.calls[-2:] == ["GET /info", "POST /execute_task"]
    until(lambda: len(pushed.reports) == 1, "a report", 20)
    assert pushed.reports[0][0] == 204 and pushed.reports[0][1]["status"] == "finished"
    made = {path.name: path.read_text() for path in tmp_path.glob("*.png")}
    assert made == {f"0000{frame}.png": f"scene {frame} PNG" for frame in (3, 4, 5)}
    assert flamenco.is_free(pushed.hostname)
    job = flamenco.farm.wait(flamenco.job("simple_blender_render 7"), timeout=10)
    [task] = flamenco.farm.tasks(job)
    assert job.status == "completed"
    until(lambda: "Fra:5" in flamenco.farm.log(task).text, "the last of the log", 10)


def test_a_pushed_task_is_watched_killed_and_sent_again(
    flamenco: FlamencoFarm, pushed: RunningWorker, tmp_path: Path
) -> None:
    until(lambda: flamenco.is_free(pushed.hostname), "a free worker", 10)
    flamenco.send(8, "simple_blender_render", scene_at(tmp_path, "endless"))
    until(
        lambda: "Fra:1" in (flamenco.worker(pushed.hostname)["log"] or ""), "what its worker says when it is asked", 30
    )
    shown = flamenco.worker(pushed.hostname)
    assert (shown["status"], shown["current_task"]) == ("rendering", 8)
    assert flamenco.call("GET", f"/workers/{shown['id']}", 200)["mac_address"] == 97802341123
    assert flamenco.call("DELETE", "/tasks/8", 202)["status"] == "aborted"
    assert pushed.calls[-1] == "DELETE /kill"
    until(lambda: bool(pushed.reports), "a report", 10)
    assert pushed.reports[0][0] == 204 and pushed.reports[0][1]["status"] == "aborted"
    assert flamenco.job("simple_blender_render 8").status == "canceled"
    assert flamenco.send(8, "simple_blender_render", scene_at(tmp_path, "scene"))["status"] == "rendering"
    until(lambda: len(pushed.reports) == 2, "a report", 10)
    assert pushed.reports[1][1]["status"] == "finished"


def a_zip(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


SCENE = {"filepath": "scene", "frames": "1,3-5", "format": "PNG"}


def test_a_session_of_the_pull_generation(flamenco: FlamencoFarm, programs: Path, tmp_path: Path) -> None:
    worker = PullingWorker(flamenco.worker_url, tmp_path, programs)
    assert worker.turn() is None
    assert flamenco.is_free("node8")
    flamenco.call("POST", "/settings", 204, data={"blender_path_linux_named": str(programs / "blender")})
    jobfile = {"jobfile": ("jobfile.zip", a_zip(scene="packed"), "application/zip")}
    settings = {**SCENE, "command_name": "named"}
    assert flamenco.send(42, "blender_simple_render", settings, jobfile, job_id=6)["status"] == "ready"
    assert flamenco.call("GET", "/tasks/file/6", 200) == {"file": True}
    assert worker.turn() == "completed"
    job = flamenco.farm.wait(flamenco.job("blender_simple_render 42"), timeout=10)
    assert job.status == "completed"
    [path] = flamenco.farm.download(job, tmp_path / "result")
    with zipfile.ZipFile(path) as archive:
        made = {name: archive.read(name).decode() for name in archive.namelist()}
    assert made == {f"{frame:05d}.png": f"packed {frame} PNG" for frame in (1, 3, 4, 5)}
    assert worker.turn() is None and worker.stopped_by == []


def test_a_pulled_task_is_stopped_by_the_answer_to_a_report(
    flamenco: FlamencoFarm, programs: Path, tmp_path: Path
) -> None:
    worker = PullingWorker(flamenco.worker_url, tmp_path, programs)
    assert worker.turn() is None
    jobfile = {"jobfile": ("jobfile.zip", a_zip(scene="endless"), "application/zip")}
    flamenco.send(43, "blender_simple_render", SCENE, jobfile, job_id=9)
    ends: list[str | None] = []
    turn = threading.Thread(target=lambda: ends.append(worker.turn()))
    turn.start()
    until(lambda: flamenco.worker("node8")["activity"] is not None, "the task's first report", 10)
    assert flamenco.worker("node8")["current_task"] == 43
    assert flamenco.call("DELETE", "/tasks", 202, data={"tasks": [43]}) == 43
    turn.join(20)
    assert (ends, worker.stopped_by) == (["canceled"], [(403, "Task cancelled")])
    assert flamenco.job("blender_simple_render 43").status == "canceled"
    assert worker.turn() is None
