"""`millrace worker --listen` at a master that is not ours: the worker's session of the transcode protocol, with a real
process that really converts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.demo import video
from tests.together.ensemble import ROOT, Program
from tests.together.scripted_master import ScriptedMaster
from tests.worker.processes import gone, until

FRAMES_PER_SECOND = 25


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    made = ScriptedMaster()
    yield made
    made.stop()


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    folder = tmp_path / "storage"
    folder.mkdir()
    return folder


@pytest.fixture
def worker(master: ScriptedMaster, storage: Path, tmp_path: Path) -> Iterator[Program]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "MILLRACE_MASTER_TOKEN": "k1"}
    program = Program("listener", tmp_path, environment)
    options = ["--listen", "127.0.0.1:0", "--master", master.url, "--storage", str(storage)]
    program.begin([sys.executable, "-m", "millrace.cli", "worker", *options, "--state", str(tmp_path / "state")])
    until(lambda: bool(master.said("register")), "a worker that registers", 30)
    yield program
    program.kill()
    print(program.output)


def film(path: Path, seconds: int, size: str = "160x120") -> Path:
    picture = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={FRAMES_PER_SECOND}:d={seconds}"]
    sound = ["-f", "lavfi", "-i", f"sine=d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    video.run_ffmpeg(video.find_ffmpeg(), [*picture, *sound, str(path)], "make a film")
    return path


def task(name: str, **fields: Any) -> dict[str, Any]:
    document = {"id": name, "src_filename": "in.mp4", "src_file_id": "9e107d9d372bb6826bd81d3542a419d6"}
    return {**document, "dst_dir": "out/", "dst_format": "flv", "map_filename": "", "map_file_id": "", **fields}


def ended(master: ScriptedMaster, name: str) -> dict[str, Any]:
    """Ask as a master does, until it is no longer in progress; the task as its worker describes it."""
    asked: dict[str, Any] = {}

    def has_ended() -> bool:
        asked.update(master.tell("get_task_info", id=name)["task"])
        assert asked["id"] == name and 0 <= asked["progress"] <= 100
        return bool(asked["state"] != 2)

    until(has_ended, f"the end of {name}", 60)
    return asked


def test_a_workers_whole_session(master: ScriptedMaster, worker: Program, storage: Path) -> None:
    film(storage / "in.mp4", seconds=3)
    [registered] = master.said("register")
    assert registered["ip"] == registered["worker_id"] == "127.0.0.1"
    assert registered["port"] == registered["worker_port"] > 0 and (registered["state"], registered["type"]) == (0, 0)
    assert all(path.endswith("?token=k1") for path, _ in master.calls)
    until(lambda: len(master.said("heartbeat")) >= 2, "two heartbeats", 20)
    me = f"127.0.0.1:{registered['port']}"
    assert master.said("heartbeat")[0] == {"type": 0, "worker_id": me, "worker_state": 0, "state": 0}

    given = master.tell("add_task", **task("T---segment0---task0"))  # the program's shape
    assert (given["err_code"], given["error_code"]) == (0, 0)
    assert ended(master, "T---segment0---task0") == {
        "id": "T---segment0---task0",
        "state": 3,
        "result": 0,
        "progress": 100,
    }
    made = video.measure(video.find_ffmpeg(), storage / "out" / "in.mp4.flv")
    assert made.frames == 3 * FRAMES_PER_SECOND and abs(made.seconds - 3) < 0.1
    until(lambda: bool(master.said("set_task_result")), "the worker's own word", 10)
    reported = master.said("set_task_result")[0]
    assert (reported["task_id"], reported["task_state"], reported["task_result"]) == ("T---segment0---task0", 3, 0)
    assert (reported["id"], reported["state"], reported["result"], reported["progress"]) == (
        reported["task_id"],
        3,
        0,
        100,
    )

    assert (
        master.tell("add_task", task=task("T2", **{"from": 1, "to": 2}, dst_dir="part"))["err_code"] == 0
    )  # the seed's
    assert ended(master, "T2")["result"] == 0
    assert video.measure(video.find_ffmpeg(), storage / "part" / "in.mp4.flv").frames == FRAMES_PER_SECOND

    assert worker.terminate() == 0
    assert master.said("unregister") == [{"type": 0, "worker_id": me}]


def test_a_task_is_canceled_with_all_its_processes(master: ScriptedMaster, worker: Program, storage: Path) -> None:
    film(storage / "in.mp4", seconds=60, size="1280x720")
    assert master.tell("add_task", **task("T"))["err_code"] == 0
    until(lambda: master.tell("get_task_info", task_id="T")["task"]["progress"] > 0, "a conversion under way", 20)
    assert master.tell("get_task_info", task_id="T")["task"]["state"] == 2
    assert master.tell("add_task", **task("another"))["err_code"] == -1, "one at a time"
    [program] = programs_of(worker)
    assert master.tell("cancel_task", task_id="T", id="T")["err_code"] == 0
    gone(program, 20)
    assert (ended(master, "T")["state"], ended(master, "T")["result"]) == (1, -1)
    assert not (storage / "out").exists()
    until(lambda: bool(master.said("set_task_result")), "the worker's own word", 10)
    assert master.said("set_task_result")[0]["task_result"] == -1


def test_a_master_that_has_forgotten_its_worker_is_registered_with_anew(
    master: ScriptedMaster, worker: Program
) -> None:
    master.knows_nobody.set()
    until(lambda: len(master.said("register")) >= 2, "another registration", 20)


def programs_of(worker: Program) -> list[int]:
    """What runs under it."""
    found = Path(f"/proc/{worker.process.pid}/task").glob("*/children")
    return [int(pid) for children in found for pid in children.read_text().split()]
