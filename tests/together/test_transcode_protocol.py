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

from millrace.demo import video
from tests.together.ensemble import Ensemble, Program
from tests.worker.processes import until

COLOURS = {
    "red": (255, 0, 0),
    "lime": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
}
FRAMES_PER_SECOND = 25


def call(farm: Ensemble, name: str, **body: Any) -> Any:
    url = f"{farm.server.url}/master/{name}?token=xxxx"  # as in the seed; an open farm does not look at it
    answer = requests.post(url, json={"type": 0, **body}, timeout=10)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["err_code"] == 0, said
    return said


def convert(farm: Ensemble, **job: Any) -> Any:
    """A client's whole session: add the job, and ask for it until it has ended; the job as it is then."""
    job_id = call(farm, "add_job", job=job)["job_id"]
    seen: list[Any] = []

    def has_ended() -> bool:
        seen.append(call(farm, "get_job", job_id=job_id)["job"])
        return bool(seen[-1]["state"] == 3)

    until(has_ended, "the end of the job", 90)
    states = [one["state"] for one in seen]
    assert states == sorted(states) and all(one["dst_path"] == "" for one in seen[:-1])
    assert all(isinstance(one["progress"], int) and 0 <= one["progress"] <= 99 for one in seen[:-1])
    ended = seen[-1]
    assert call(farm, "get_job_state", job_id=job_id)["result"] == ended["result"]
    assert ended in call(farm, "get_jobs", limit=1000)["jobs"]
    return ended


def make_video(path: Path) -> Path:
    """A second of each colour, with sound."""
    seconds = [("-f", "lavfi", "-i", f"color={name}:s=160x120:r={FRAMES_PER_SECOND}:d=1") for name in COLOURS]
    inputs = [word for second in seconds for word in second]
    count = len(COLOURS)
    pads = "".join(f"[{index}:v]" for index in range(count))
    joined = ["-filter_complex", f"{pads}concat=n={count}:v=1[v]", "-map", "[v]", "-map", f"{count}:a", "-c:a", "aac"]
    sound = ["-f", "lavfi", "-i", f"sine=d={count}"]
    video.run_ffmpeg(video.find_ffmpeg(), [*inputs, *sound, *joined, str(path)], "make a video")
    return path


def colours_of(path: Path) -> list[str]:
    """The colour in the middle of each second. Every frame that should be there is there, and no other.

    FLV and Matroska show the first one late, by as much as the sound begins earlier.
    """
    measured = video.measure(video.find_ffmpeg(), path)
    seconds = round(measured.seconds)
    assert measured.frames == seconds * FRAMES_PER_SECOND and abs(measured.seconds - seconds) < 0.1, str(measured)
    return [_colour_at(path, second + 0.5) for second in range(seconds)]


def _colour_at(path: Path, seconds: float) -> str:
    argv = [
        video.find_ffmpeg(),
        "-v",
        "error",
        "-ss",
        str(seconds),
        "-i",
        str(path),
        "-frames:v",
        "1",
        "-vf",
        "scale=1:1",
    ]
    pixel = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return min(COLOURS, key=lambda name: sum(abs(a - b) for a, b in zip(pixel, COLOURS[name], strict=True)))


@pytest.fixture
def listener(quiet: Ensemble, tmp_path: Path) -> Iterator[Program]:
    """`millrace worker --listen`, with the farm as its master."""
    options = ["--listen", "127.0.0.1:0", "--master", quiet.server.url, "--storage", str(tmp_path)]
    state = tmp_path / "listener-state"
    program = Program("listener", tmp_path, quiet.environment)
    program.begin([sys.executable, "-m", "millrace.cli", "worker", *options, "--state", str(state)])
    until(lambda: "Registered with the master" in program.output, "a registered listener", 60)
    yield program
    program.kill()
    print(program.output)


def test_segments_are_joined_at_their_place_in_the_order_given(quiet: Ensemble, tmp_path: Path) -> None:
    """They may overlap."""
    source = make_video(tmp_path / "concert.mkv")
    out = tmp_path / "out"
    job = convert(quiet, src_filename=str(source), dst_dir=f"{out}/", dst_format="mp4", segments="4-6:0-2:1-3")
    assert (job["result"], job["progress"]) == (0, 100)
    made = Path(job["dst_path"])
    assert made == out / "concert.mkv.mp4"
    assert colours_of(made) == ["magenta", "cyan", "red", "lime", "lime", "blue"]
    assert [path.name for path in out.iterdir()] == [made.name], "no pieces are left behind"


def test_a_whole_file_is_converted_to_the_seeds_own_format(quiet: Ensemble, tmp_path: Path) -> None:
    source = make_video(tmp_path / "record.bin.mkv")
    job = convert(quiet, src_filename=source.name, dst_dir=str(tmp_path))
    assert (job["result"], job["dst_format"]) == (0, "flv")
    assert Path(job["dst_path"]).read_bytes()[:3] == b"FLV"
    assert colours_of(Path(job["dst_path"])) == list(COLOURS)


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
    assert colours_of(Path(job["dst_path"])) == ["blue", "red"] * 12
    [ours] = [one for one in quiet.farm.jobs() if one.name == "concert.mkv" and one.counts["completed"] >= 24]
    by = {worker.id: worker.name for worker in quiet.farm.workers()}
    ran = [
        by[run.worker or ""] for task in quiet.farm.tasks(ours) for run in task.attempts if run.outcome == "completed"
    ]
    assert name in ran and len(set(ran)) > 1
    assert listener.terminate() == 0
    until(lambda: _status(quiet, name) == "offline", "a worker that has signed off", 30)


def _status(quiet: Ensemble, name: str) -> str:
    return next(worker.status for worker in quiet.farm.workers() if worker.name == name)
