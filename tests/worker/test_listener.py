"""Our worker at a foreign master: what it takes from whom, what it makes, and what it says."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from millrace.agent.observe import log_to_stderr
from millrace.listener.conversions import Conversions
from millrace.listener.server import Listener
from millrace.listener.wire import Status
from millrace.runtimes.ffmpeg import find_ffmpeg

RECORDED = Path(__file__).parents[1] / "contract" / "transcode" / "worker"
OK, FAILURE, INVALID_REQUEST, INVALID_VALUE = 0, -1, -2, -3


class Place:
    """A listener with its storage; what it would report to its master comes into `ended`."""

    def __init__(self, folder: Path) -> None:
        self.storage = folder / "storage"
        self.storage.mkdir()
        (folder / "work").mkdir()
        self.work = folder / "work"
        self.ended: queue.Queue[Status] = queue.Queue()
        self.friends = {"127.0.0.1"}
        self.conversions = Conversions(self.work, self.storage, self.ended.put)
        self.server = Listener("127.0.0.1", 0, self.conversions, lambda peer: peer in self.friends)
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def send(self, name: str, **options: Any) -> requests.Response:
        return requests.post(f"http://127.0.0.1:{self.server.port}/worker/{name}", timeout=10, **options)

    def call(self, name: str, body: Any) -> Any:
        answer = self.send(name, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def task(self, **fields: Any) -> dict[str, Any]:
        return {"id": "T", "src_filename": "in.mp4", "dst_dir": "out/", "dst_format": "mp4", **fields}

    def add(self, **fields: Any) -> int:
        return int(self.call("add_task", {"type": 0, "task": self.task(**fields)})["err_code"])

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.conversions.stop()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    log_to_stderr()
    made = Place(tmp_path)
    yield made
    made.close()


def make_video(path: Path, seconds: int = 2, size: str = "160x120") -> Path:
    """With picture and sound."""
    picture = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}"]
    sound = ["-f", "lavfi", "-i", f"sine=d={seconds}"]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", str(path)]
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *picture, *sound, *codec], check=True)
    return path


def test_a_task_is_converted_to_its_place_and_reported(place: Place) -> None:
    make_video(place.storage / "in.mp4")
    assert place.add(dst_format="flv") == OK
    assert place.ended.get(timeout=30) == Status("T", 3, 0, 100.0)
    assert (place.storage / "out" / "in.mp4.flv").read_bytes()[:3] == b"FLV"
    assert place.call("get_task_info", {"type": 0, "id": "T"})["task"] == {
        "id": "T",
        "state": 3,
        "result": 0,
        "progress": 100.0,
    }
    assert list(place.work.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize("format", ["mp4", "mkv", "mov", "m4v", "webm", "ts", "avi"])
def test_every_format_that_a_farm_asks_for_is_made(place: Place, format: str) -> None:
    make_video(place.storage / "in.mp4", seconds=1)
    assert place.add(dst_format=format) == OK
    assert place.ended.get(timeout=30).result == 0
    said = described(place.storage / "out" / f"in.mp4.{format}")
    assert "Video: " in said and "Audio: " in said


def described(path: Path) -> str:
    """What ffmpeg prints about a file."""
    return subprocess.run([find_ffmpeg(), "-i", str(path)], capture_output=True, text=True, check=False).stderr


def test_a_part_of_a_file_is_cut_out(place: Place) -> None:
    make_video(place.storage / "in.mp4")
    fields = place.task(**{"from": 0, "to": 1})
    assert place.call("add_task", {"type": 0, **fields})["err_code"] == OK, "at the top level too"
    assert place.ended.get(timeout=30).result == 0
    assert "Duration: 00:00:01.0" in described(place.storage / "out" / "in.mp4.mp4")


def test_a_task_is_canceled_while_it_runs_and_leaves_nothing(place: Place) -> None:
    make_video(place.storage / "in.mp4", seconds=15, size="1280x720")
    assert place.add() == OK
    assert place.add() == OK, "the same task is not begun twice"
    assert place.add(id="another") == FAILURE, "one at a time"
    assert place.call("get_task_info", {"type": 0, "task_id": "T"})["task"]["state"] == 2
    assert place.call("cancel_task", {"type": 0, "task_id": "T", "id": "T"})["err_code"] == OK
    assert place.ended.get(timeout=30) == Status("T", 1, -1, 0.0)
    assert not (place.storage / "out").exists() and list(place.work.iterdir()) == []


def test_what_is_no_video_is_a_failure(place: Place) -> None:
    (place.storage / "in.mp4").write_text("no film")
    assert place.add() == OK
    assert place.ended.get(timeout=30) == Status("T", 3, -1, 0.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": 7},
        {"src_filename": "absent.mp4"},
        {"src_filename": "../secret.mp4"},
        {"src_filename": "/etc/passwd"},
        {"src_filename": "link.mp4"},
        {"src_filename": "a\0b"},
        {"dst_dir": "../elsewhere"},
        {"dst_dir": "/tmp"},
        {"dst_format": "mp4/../../x"},
        {"dst_format": "MP4"},
        {"from": 5, "to": 2},
        {"from": "x"},
        {"from": -1},
        {"map_filename": "wide.map"},
    ],
)
def test_what_it_cannot_or_may_not_do_is_refused(place: Place, fields: dict[str, Any]) -> None:
    make_video(place.storage / "in.mp4")
    secret = make_video(place.storage.parent / "secret.mp4")
    (place.storage / "link.mp4").symlink_to(secret)
    assert place.add(**fields) == INVALID_REQUEST
    assert not place.conversions.busy and not (place.storage.parent / "elsewhere").exists()


@pytest.mark.parametrize("body", [b"", b"type = 0", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_an_invalid_value(place: Place, body: bytes) -> None:
    answer = place.send("add_task", data=body)
    assert (answer.status_code, answer.json()["err_code"]) == (200, INVALID_VALUE)


def test_a_task_that_is_not_here_is_a_failure(place: Place) -> None:
    for name in ("get_task_info", "cancel_task"):
        for body in ({"task_id": "X"}, {"id": 7}, {}):
            assert place.call(name, body)["err_code"] == FAILURE


def test_nobody_but_the_master_is_listened_to(place: Place) -> None:
    make_video(place.storage / "in.mp4")
    place.friends.clear()
    assert place.send("add_task", json={"task": place.task()}).status_code == 403
    assert not place.conversions.busy


def test_other_paths_and_huge_bodies_are_refused(place: Place) -> None:
    assert place.send("nothing", json={}).status_code == 404
    assert place.send("add_task", data=b"x" * 1_000_001).status_code == 413


@pytest.mark.parametrize("name", ["add_task", "get_task_info", "cancel_task"])
def test_the_recorded_calls_are_answered_with_the_recorded_fields(place: Place, name: str) -> None:
    recorded = json.loads((RECORDED / f"{name}.json").read_text())["steps"][0]
    make_video(place.storage / "in.mp4")
    assert place.add(id=recorded["request"]["json"]["id"]) == OK
    place.ended.get(timeout=30)
    own = {"src_filename": "in.mp4", "dst_dir": "out/", "map_filename": ""}
    body = {**recorded["request"]["json"], **(own if name == "add_task" else {})}
    if name == "add_task":
        body["task"] = {**body["task"], **own}
    answer = place.call(name, body)
    expected = recorded["response"]["json"]
    assert {key: answer[key] for key in expected} == expected
