"""The demo's parts, and each way in which it can go wrong. The whole story needs a whole farm: tests/together."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from millrace.demo import folders, video
from millrace.demo.display import Display, lines
from millrace.demo.failure import DemoFailed
from millrace.demo.processes import Child, Processes, announced_url
from millrace.demo.video import Measured
from millrace.farm import Farm
from tests.cli.stub_farm import StubFarm


@pytest.fixture
def clip(tmp_path: Path, require_program: Callable[[str], str]) -> Path:
    """Two seconds of small moving picture, with B-frames."""
    path = tmp_path / "clip.mp4"
    arguments = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2", "-c:v", "libx264", "-bf", "2"]
    video.run_ffmpeg(require_program("ffmpeg"), [*arguments, str(path)], "make a clip")
    return path


# ---- the video -----------------------------------------------------------------------------------------------------


def test_every_frame_is_counted(clip: Path) -> None:
    measured = video.measure(video.find_ffmpeg(), clip)
    assert measured.frames == 50
    assert measured.seconds == pytest.approx(2.0, abs=0.001)


@pytest.mark.parametrize(
    ("frames", "seconds", "is_same"),
    [(50, 2.0, True), (51, 2.04, True), (49, 1.96, True), (52, 2.0, False), (50, 2.05, False), (50, 1.95, False)],
)
def test_results_agree_with_the_source_within_one_frame(frames: int, seconds: float, is_same: bool) -> None:
    try:
        video.check_same(Measured(50, 2.0), Measured(frames, seconds))
        assert is_same
    except DemoFailed:
        assert not is_same


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 100])
def test_a_file_that_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(DemoFailed, match="notes.mp4 as a video"):
        video.check_is_video(video.find_ffmpeg(), path)


# ---- what is shown -------------------------------------------------------------------------------------------------


def test_in_a_pipe_each_change_is_one_line(stub: StubFarm, farm: Farm) -> None:
    job = stub.add_job(name="film", status="active", progress=14)
    task = stub.add_task(job, name="convert 3 of 9", status="active", worker="7")
    text = io.StringIO()
    with Display(Console(file=text)) as display:
        for progress in (14, 15, 23):
            stub.jobs[job]["progress"] = progress
            display.show(farm.job(job), [farm.task(task)], {"7": "worker-1"})
    expected = ["film: active, 10 %", "  worker-1: convert 3 of 9", "film: active, 20 %"]
    assert text.getvalue().splitlines() == expected


def test_on_a_terminal_the_picture_names_who_does_what(stub: StubFarm, farm: Farm) -> None:
    job = stub.add_job(name="film", status="active", progress=14, counts={"active": 1, "queued": 8, "completed": 2})
    task = stub.add_task(job, name="convert 3 of 9", status="active", worker="7", activity="frame 12")
    text = io.StringIO()
    with Display(Console(file=text, force_terminal=True, width=120)) as display:
        display.show(farm.job(job), [farm.task(task)], {"7": "worker-1", "8": "worker-2"})
    for word in ("film", "14 %", "2 of 11 tasks", "worker-1", "convert 3 of 9", "frame 12", "worker-2", "idle"):
        assert word in text.getvalue()


def test_a_worker_without_a_name_yet_is_shown_by_its_id(stub: StubFarm, farm: Farm) -> None:
    task = stub.add_task(stub.add_job(), name="split", worker="7")
    assert "  7: split" in lines(farm.job("1000"), [farm.task(task)], {})


# ---- its processes -------------------------------------------------------------------------------------------------


def test_only_a_complete_ready_line_announces_the_farm(tmp_path: Path) -> None:
    log = tmp_path / "farm.log"
    log.write_text("starting\nready http://127.0.0.1:80")
    assert announced_url(log) is None
    log.write_text("starting\nready http://127.0.0.1:8012\n")
    assert announced_url(log) == "http://127.0.0.1:8012"


def sleeper(folder: Path, name: str, first: str = "pass") -> Child:
    program = f"import signal, time; {first}; print('up', flush=True); time.sleep(600)"
    child = Child.start(name, [sys.executable, "-c", program], folder, cwd=folder)
    while child.log.read_text() != "up\n":
        child.check()
        time.sleep(0.01)
    return child


def test_no_process_outlives_its_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.demo.processes.STOP_SECONDS", 0.5)
    with pytest.raises(DemoFailed, match="over"), Processes(tmp_path) as processes:
        processes.children.append(sleeper(tmp_path, "farm"))
        processes.children.append(sleeper(tmp_path, "stubborn", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
        raise DemoFailed("over")
    assert [child.process.returncode for child in processes.children] == [-signal.SIGTERM, -signal.SIGKILL]


def test_a_process_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    child = Child.start("farm", [sys.executable, "-c", "raise SystemExit('the port is taken')"], tmp_path, cwd=tmp_path)
    child.process.wait()
    with pytest.raises(DemoFailed, match="the farm ended with exit code 1") as caught:
        child.check()
    assert caught.value.last_lines == ["the port is taken"]


# ---- its folders ---------------------------------------------------------------------------------------------------


def test_a_finished_run_leaves_its_result_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run = folders.new_run()
    (run / "farm" / "blobs").mkdir(parents=True)
    (run / "farm.log").touch()
    (run / "result").mkdir()
    (run / "result" / "film.mp4").touch()
    folders.leave_only(run, run / "result" / "film.mp4")
    assert sorted(path.relative_to(run).as_posix() for path in run.rglob("*")) == ["result", "result/film.mp4"]


def test_runs_of_long_ago_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    old, young = folders.new_run(), folders.new_run()
    os.utime(old, (0, 0))
    folders.new_run()
    assert (old.exists(), young.exists()) == (False, True)


# ---- the command, with a manager that goes wrong -------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `millrace demo` with this program as its manager. What still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(manager: str, *arguments: str) -> subprocess.Popen[str]:
        package = tmp_path / "home" / "chalicelib" / "embedded"
        package.mkdir(parents=True)
        (package.parent / "__init__.py").touch()
        (package / "__main__.py").write_text(manager)
        environment = os.environ | {
            "MILLRACE_HOME": str(tmp_path / "home"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-m", "millrace.cli", "demo", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes))  # type: ignore[call-overload]
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_a_manager_that_does_not_start_fails_the_demo(demo: Callable[..., subprocess.Popen[str]], clip: Path) -> None:
    process = demo("raise SystemExit('the disk is on fire')", "--video", str(clip))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the farm ended with exit code 1" in output
    assert "the disk is on fire" in output
    assert "Traceback" not in output


def test_a_file_that_is_missing_fails_the_demo_before_anything_starts(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = demo("", "--video", str(tmp_path / "nothing.mp4"))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "there is no file" in output and "nothing.mp4" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process(
    demo: Callable[..., subprocess.Popen[str]], clip: Path, tmp_path: Path, number: signal.Signals
) -> None:
    note = tmp_path / "manager.pid"
    manager = f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(600)"
    process = demo(manager, "--video", str(clip))
    while not (note.exists() and note.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in output
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
