"""The normal sessions of the transcode protocol, over HTTP against `millrace serve`: a client, and workers as somebody
else wrote them, called by the farm and converting for real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from millrace.demo import video
from tests.dialects.transcode.scripted_worker import ScriptedWorker
from tests.together.conftest import Found
from tests.together.ensemble import Ensemble
from tests.together.test_transcode_protocol import COLOURS, call, colours_of, convert, make_video
from tests.worker.processes import until

HEARTBEAT_SECONDS = 3.0


class ConvertingWorker(ScriptedWorker):
    """Does what it is told with ffmpeg."""

    def __init__(self, farm: Ensemble, *, reports: bool, knows_itself: bool = False) -> None:
        """`reports`: it says by itself that a task has ended; else it waits until it is asked. `knows_itself`: it sends
        its id; else, as the published worker, in heartbeats a constant and on leaving the time of day."""
        super().__init__()
        self._knows_itself = knows_itself
        self._farm = farm
        self._reports = reports
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []

    def register(self, **more: Any) -> None:
        said = {"state": 0, "worker_id": "127.0.0.1", "worker_port": self.port, **more}
        assert call(self._farm, "register", **said)["worker_id"] == self.address
        self._begin(self._beat)

    def leave(self) -> None:
        if self._leaving.is_set():
            return
        self._leaving.set()
        for thread in self._threads:
            thread.join()
        call(self._farm, "unregister", worker_id=self.address if self._knows_itself else time.time())

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        said = super().answer(path, body)
        if path == "/worker/add_task":
            self._begin(lambda: self._convert(body["task"]))
        return said

    def _begin(self, work: Any) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _beat(self) -> None:
        while not self._leaving.wait(HEARTBEAT_SECONDS):
            busy = any(task["state"] == 2 for task in list(self.tasks.values()))
            call(self._farm, "heartbeat", worker_id=self.address if self._knows_itself else "11111", state=int(busy))

    def _convert(self, task: dict[str, Any]) -> None:
        source, folder = Path(task["src_filename"]), Path(task["dst_dir"])
        folder.mkdir(parents=True, exist_ok=True)
        cut = ["-ss", str(task["from"]), "-to", str(task["to"])] if "from" in task else []
        target = folder / f"{source.name}.{task['dst_format']}"
        video.run_ffmpeg(video.find_ffmpeg(), [*cut, "-i", str(source), "-y", str(target)], "convert")
        self.becomes(task["id"], 3, progress=100)
        if self._reports:
            said = {"task_id": task["id"], "task_state": 3, "task_result": 0}
            call(self._farm, "set_task_result", **said)


@pytest.fixture
def served(found: Found) -> Ensemble:
    """A farm that has no workers of its own."""
    return found()


Hire = Callable[..., ConvertingWorker]


@pytest.fixture
def hire(served: Ensemble) -> Iterator[Hire]:
    """`hire(reports=..., knows_itself=..., **registration)`: a worker that has registered. All leave at the end."""
    hired: list[ConvertingWorker] = []

    def begin(*, reports: bool, knows_itself: bool = False, **registration: Any) -> ConvertingWorker:
        hired.append(ConvertingWorker(served, reports=reports, knows_itself=knows_itself))
        hired[-1].register(**registration)
        return hired[-1]

    yield begin
    for worker in hired:
        worker.leave()
        worker.stop()


@pytest.mark.parametrize("reports", [False, True], ids=["is asked", "reports"])
def test_a_client_and_a_worker_from_registering_to_goodbye(
    served: Ensemble, hire: Hire, tmp_path: Path, reports: bool
) -> None:
    worker = hire(reports=reports)
    source = make_video(tmp_path / "record.mkv")
    ended = convert(served, src_filename=str(source), dst_dir=f"{tmp_path}/out/")
    assert (ended["state"], ended["result"], ended["progress"], ended["dst_format"]) == (3, 0, 100, "flv")
    assert ended["dst_path"] == f"{tmp_path}/out/record.mkv.flv"
    assert colours_of(Path(ended["dst_path"])) == list(COLOURS)
    [given] = worker.given
    assert given["task"]["id"] == f"{ended['id']}---segment0---task0"
    assert worker.paths()[0] == "/worker/add_task" and ("/worker/get_task_info" in worker.paths() or reports)
    worker.leave()
    assert _heartbeat(served, worker.address)["err_code"] == -1, "it has left"


def test_parts_converted_by_foreign_workers_and_ours_are_one_film(served: Ensemble, hire: Hire, tmp_path: Path) -> None:
    """Only those that said so are given parts. The sound and the joining are ours, so ours comes when parts are out."""
    cuts, whole = hire(reports=True, knows_itself=True, cuts=True), hire(reports=False, knows_itself=True)
    source = make_video(tmp_path / "record.mkv")
    job = {"src_filename": str(source), "dst_dir": f"{tmp_path}/out/", "dst_format": "mp4"}
    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(convert, served, **job, segments="3-6:0-3:1-2")
        until(lambda: len(cuts.given) >= 2, "parts given to the worker that can cut", 30)
        served.worker("ours")
        ended = client.result(120)
    assert ended["result"] == 0
    assert colours_of(Path(ended["dst_path"])) == ["yellow", "magenta", "cyan", "red", "lime", "blue", "lime"]
    assert whole.given == []
    assert all(0 < given["task"]["to"] - given["task"]["from"] <= 3 for given in cuts.given)


def _heartbeat(served: Ensemble, worker_id: str) -> Any:
    answer = requests.post(
        f"{served.server.url}/master/heartbeat", json={"worker_id": worker_id, "state": 0}, timeout=5
    )
    return answer.json()
