"""The demo as a user runs it, with the real manager and real workers: its good end, and what may befall it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace.demo import video

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.needs("ffmpeg"), pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")]


class Demo:
    """A running demo, whose whole output goes to a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.log = folder, folder / "demo.log"
        environment = os.environ | {"MILLRACE_HOME": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
        environment["PYTHONPATH"] = str(ROOT / "worker")
        command = [sys.executable, "-m", "millrace.cli", "demo", *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        while text not in self.output:
            assert self.process.poll() is None, self.output
            time.sleep(0.02)

    def end(self) -> int:
        try:
            return self.process.wait(200)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise

    def process_with(self, *words: str) -> int:
        """The one process that has all these words on its command line."""
        while True:
            found = [pid for pid, command in self.processes() if all(word in command for word in words)]
            if found:
                return found[0]
            assert self.process.poll() is None, self.output
            time.sleep(0.02)

    def processes(self) -> list[tuple[int, str]]:
        """Everything that runs on files of this demo, but the demo itself."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, UnicodeDecodeError):
                continue
            if str(self.folder / "cache") in command:
                found.append((int(entry.name), command))
        return found


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with sound, B-frames, and a keyframe each second."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=6"]
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=6"]
    coded = ["-c:v", "libx264", "-bf", "2", "-g", "30", "-c:a", "aac"]
    video.run_ffmpeg(video.find_ffmpeg(), [*picture, *sound, *coded, str(path)], "make a film")
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def begin(*arguments: str) -> Demo:
        demos.append(Demo(tmp_path, *arguments))
        return demos[-1]

    yield begin
    for demo in demos:
        demo.process.terminate()
        demo.end()


def test_two_workers_transcode_a_film_that_then_has_the_same_frames(start: Callable[..., Demo], film: Path) -> None:
    demo = start("--video", str(film), "--segments", "6")  # enough for both: the other may wake late
    assert demo.end() == 0, demo.output
    [result] = (demo.folder / "cache").rglob("result/*.mp4")
    assert f"result: {result} (180 frames, 6.000 s; same as the source)" in demo.output
    assert video.measure(video.find_ffmpeg(), result).frames == 180
    assert "by worker-1" in demo.output and "by worker-2" in demo.output
    assert demo.processes() == []
    assert [path.name for path in result.parent.parent.iterdir()] == ["result"]


def test_a_farm_that_is_kept_answers_until_it_is_interrupted(start: Callable[..., Demo], film: Path) -> None:
    demo = start("--video", str(film), "--segments", "2", "--keep")
    demo.wait_for("the farm stays")
    url = demo.output.rpartition("farm:   ")[2].split()[0]
    jobs = [sys.executable, "-m", "millrace.cli", "jobs", "--farm", url]
    assert "completed" in subprocess.run(jobs, capture_output=True, text=True, check=True, timeout=100).stdout
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 0
    assert demo.processes() == []


@pytest.mark.parametrize(("name", "words"), [("farm", ["chalicelib.embedded"]), ("worker-1", ["--name worker-1"])])
def test_a_process_that_dies_ends_the_demo_with_its_name(
    start: Callable[..., Demo], film: Path, name: str, words: list[str]
) -> None:
    demo = start("--video", str(film))
    victim = demo.process_with(*words)
    demo.wait_for("transcode film.mp4: active")
    os.kill(victim, signal.SIGKILL)
    assert demo.end() == 1
    assert f"demo failed: the {name} was killed by signal 9" in demo.output
    assert "Traceback" not in demo.output.rpartition("demo failed")[2]
    assert demo.processes() == []


def test_a_demo_that_is_interrupted_in_mid_work_leaves_no_process(start: Callable[..., Demo], film: Path) -> None:
    demo = start("--video", str(film))
    demo.wait_for("transcode film.mp4: active")
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 130
    assert demo.processes() == []


def test_a_demo_that_takes_too_long_says_so(start: Callable[..., Demo], film: Path) -> None:
    demo = start("--video", str(film), "--timeout", "1")
    assert demo.end() == 1
    assert "after 1 s" in demo.output
    assert demo.processes() == []
