"""Videos through two real workers: no frame is lost, none is doubled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from millrace import Farm
from millrace.demo import video
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

pytestmark = pytest.mark.needs("ffmpeg")
FRAMES_PER_SECOND = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with sound, B-frames, and a keyframe each second."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={FRAMES_PER_SECOND}:duration=6"]
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=6"]
    coded = ["-c:v", "libx264", "-bf", "2", "-g", "30", "-c:a", "aac"]
    video.run_ffmpeg(video.find_ffmpeg(), [*picture, *sound, *coded, str(path)], "make a film")
    return path


def frames_of(path: Path) -> int:
    return video.measure(video.find_ffmpeg(), path).frames


def test_a_film_in_segments_joins_to_the_same_frames(farm: Farm, film: Path, tmp_path: Path) -> None:
    settings = {"input": farm.upload(film), "segment_seconds": 2.0}
    job = farm.wait(farm.submit("transcode", settings), timeout=90)
    assert job.status == "completed", job
    converts = [one for one in farm.tasks(job) if one.name.startswith("convert")]
    assert len(converts) == 3
    [result] = farm.download(job, tmp_path)
    assert frames_of(result) == 6 * FRAMES_PER_SECOND


def test_no_frame_is_lost_when_a_worker_and_the_server_are_killed_on_the_way(
    found: Callable[..., Ensemble], film: Path, tmp_path: Path
) -> None:
    ensemble = found()
    worker = ensemble.worker("one")
    ensemble.worker("two")
    farm = ensemble.farm
    slow = {"segment_seconds": 1.0, "extra_args": ["-preset", "slower", "-threads", "1"]}
    job = farm.submit("transcode", {"input": farm.upload(film), **slow})
    until(lambda: any(one.name.startswith("convert") and one.worker for one in farm.tasks(job)), "a conversion", 60)
    worker.kill()
    ensemble.server.kill()
    ensemble.server.start()
    worker.start()
    job = farm.wait(job, timeout=90)
    assert job.status == "completed", job
    [result] = farm.download(job, tmp_path)
    assert frames_of(result) == 6 * FRAMES_PER_SECOND
    assert all([run.outcome for run in one.attempts].count("completed") == 1 for one in farm.tasks(job))


def test_the_ranges_asked_for_come_in_their_order_and_nothing_else(farm: Farm, film: Path, tmp_path: Path) -> None:
    settings = {"input": farm.upload(film), "segments": "3-4:0.5-2.5", "format": "mkv"}
    job = farm.wait(farm.submit("transcode", settings), timeout=90)
    assert job.status == "completed", job
    assert [one.name for one in farm.tasks(job) if one.name.startswith("convert")] == [
        "convert 3-4 s",
        "convert 0.5-2.5 s",
    ]
    [result] = farm.download(job, tmp_path)
    assert result.suffix == ".mkv"
    assert frames_of(result) == 3 * FRAMES_PER_SECOND


def test_what_is_no_video_fails_the_job_with_the_reason(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film at all")
    job = farm.submit("transcode", {"input": farm.upload(tmp_path / "text.mp4")}, max_retries=0)
    job = farm.wait(job, timeout=60)
    assert job.status == "failed"
    assert job.error and "split" in job.error
