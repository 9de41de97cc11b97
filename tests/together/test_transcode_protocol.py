"""Jobs of the transcode protocol, converted for real: by our worker as a worker of the farm, and by our worker at a
foreign master, for which the farm itself stands here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from millrace.runtimes.ffmpeg import find_ffmpeg
from tests.together.ensemble import Ensemble, Program
from tests.worker.processes import until

RED, BLUE = (254, 0, 0), (0, 0, 254)


def call(quiet: Ensemble, name: str, **body: Any) -> Any:
    answer = requests.post(f"{quiet.server.url}/master/{name}", json={"type": 0, **body}, timeout=10)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["err_code"] == 0, said
    return said


def convert(quiet: Ensemble, **job: Any) -> Any:
    """Add the job and poll as a client does; the job as it is at its end."""
    job_id = call(quiet, "add_job", job=job)["job_id"]
    until(lambda: call(quiet, "get_job", job_id=job_id)["job"]["state"] == 3, "the end of the job", 60)
    return call(quiet, "get_job", job_id=job_id)["job"]


def make_video(path: Path) -> Path:
    """Two red seconds, then two blue ones, with sound."""
    halves = [
        part for colour in ("red", "blue") for part in ("-f", "lavfi", "-i", f"color={colour}:s=160x120:r=25:d=2")
    ]
    sound = ["-f", "lavfi", "-i", "sine=d=4"]
    joined = ["-filter_complex", "[0:v][1:v]concat=n=2:v=1[v]", "-map", "[v]", "-map", "2:a", "-c:a", "aac"]
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *halves, *sound, *joined, str(path)], check=True)
    return path


def colour_at(path: Path, seconds: float) -> tuple[int, int, int]:
    argv = [find_ffmpeg(), "-v", "error", "-ss", str(seconds), "-i", str(path), "-frames:v", "1", "-vf", "scale=1:1"]
    pixel = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return pixel[0], pixel[1], pixel[2]


def is_like(found: tuple[int, int, int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 20 for a, b in zip(found, wanted, strict=True))


@pytest.fixture
def listener(quiet: Ensemble, tmp_path: Path) -> Iterator[Program]:
    """`millrace worker --listen`, with the farm as its master."""
    options = ["--listen", "127.0.0.1:0", "--master", quiet.server.url, "--storage", str(tmp_path)]
    state = tmp_path / "listener-state"
    program = Program("listener", tmp_path, quiet.environment)
    program.begin([sys.executable, "-m", "millrace.cli", "worker", *options, "--state", str(state)])
    until(lambda: "Registered with the master" in program.output, "a registered listener", 20)
    yield program
    program.kill()
    print(program.output)


def test_segments_are_joined_at_their_place_in_the_order_given(quiet: Ensemble, tmp_path: Path) -> None:
    source = make_video(tmp_path / "concert.mkv")
    job = convert(quiet, src_filename=str(source), dst_dir=f"{tmp_path}/out/", dst_format="mp4", segments="2-4:0-2")
    assert (job["result"], job["progress"]) == (0, 100)
    made = Path(job["dst_path"])
    assert made == tmp_path / "out" / "concert.mkv.mp4"
    assert is_like(colour_at(made, 0.5), BLUE) and is_like(colour_at(made, 2.5), RED)
    assert [path.name for path in made.parent.iterdir()] == [made.name], "no pieces are left behind"


def test_a_whole_file_is_converted_to_the_seeds_own_format(quiet: Ensemble, tmp_path: Path) -> None:
    source = make_video(tmp_path / "record.bin.mkv")
    job = convert(quiet, src_filename=source.name, dst_dir=str(tmp_path))
    assert (job["result"], job["dst_format"]) == (0, "flv")
    assert Path(job["dst_path"]).read_bytes()[:3] == b"FLV"


def test_a_source_that_is_not_there_fails_the_job(quiet: Ensemble, tmp_path: Path) -> None:
    job = convert(quiet, src_filename="/nowhere/absent.bin", dst_dir=str(tmp_path))
    assert (job["state"], job["result"], job["dst_path"]) == (3, -1, "")


def test_our_worker_takes_its_share_from_a_master_that_calls_it(
    quiet: Ensemble, tmp_path: Path, listener: Program
) -> None:
    """The farm's own two workers may be faster with some of the pieces, so there are many."""
    source = make_video(tmp_path / "concert.mkv")
    name = next(worker.name for worker in quiet.farm.workers() if worker.name.startswith("127.0.0.1:"))
    segments = ":".join(["2-3", "0-1"] * 12)
    job = convert(quiet, src_filename=str(source), dst_dir=str(tmp_path / "out"), dst_format="mp4", segments=segments)
    assert job["result"] == 0, listener.output
    made = Path(job["dst_path"])
    assert is_like(colour_at(made, 0.5), BLUE) and is_like(colour_at(made, 1.5), RED)
    assert is_like(colour_at(made, 22.5), BLUE) and is_like(colour_at(made, 23.5), RED)
    [ours] = [one for one in quiet.farm.jobs() if one.name == "concert.mkv" and one.counts["completed"] >= 24]
    by = {worker.id: worker.name for worker in quiet.farm.workers()}
    ran = [
        by[run.worker or ""] for task in quiet.farm.tasks(ours) for run in task.attempts if run.outcome == "completed"
    ]
    assert name in ran and len(set(ran)) > 1
    assert listener.terminate() == 0
    until(lambda: _status(quiet, name) == "offline", "a worker that has signed off", 5)


def _status(quiet: Ensemble, name: str) -> str:
    return next(worker.status for worker in quiet.farm.workers() if worker.name == name)
