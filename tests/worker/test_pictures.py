"""Small pictures of what a task rendered: from real files, under limits, and never in a task's way."""

from __future__ import annotations

import base64
import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.agent import pictures
from millrace.agent.pictures import Pictures, jpeg_size, small_pictures
from millrace.agent.protocol import JsonObject, LeaseId
from millrace.runtimes.ffmpeg import find_ffmpeg
from tests.worker.manager import Manager

LEASE = LeaseId("5", 1)


def made(file: Path, source: str, *options: str) -> Path:
    """A real file, by ffmpeg."""
    command = [find_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", source, *options, str(file)]
    subprocess.run(command, check=True, timeout=60)
    return file


def grey_of(jpeg: str, folder: Path) -> float:
    """The mean brightness of a JPEG, 0 to 255."""
    (folder / "look.jpg").write_bytes(base64.b64decode(jpeg))
    command = [find_ffmpeg(), "-v", "error", "-i", str(folder / "look.jpg")]
    data = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, capture_output=True).stdout
    return sum(data) / len(data)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", ("-frames:v", "1")),
        ("a.jpg", ("-frames:v", "1")),
        ("a.exr", ("-frames:v", "1", "-pix_fmt", "gbrpf32le")),
        ("a.tif", ("-frames:v", "1")),
        ("a.mp4", ("-t", "2", "-pix_fmt", "yuv420p")),
        ("a.mkv", ("-t", "2", "-pix_fmt", "yuv420p", "-c:v", "mpeg4")),
    ],
)
def test_every_kind_of_picture_comes_in_three_sizes(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    file = made(tmp_path / name, "testsrc2=size=2400x1200:rate=5", *options)
    found = small_pictures(find_ffmpeg(), file)
    assert [(one["width"], one["height"]) for one in found] == [(200, 100), (600, 300), (1920, 960)]
    for one in found:
        data = base64.b64decode(one["jpeg"])
        assert jpeg_size(data) == (one["width"], one["height"]) and len(data) <= pictures.MOST_JPEG_BYTES
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_a_small_picture_is_not_enlarged_and_comes_once(tmp_path: Path) -> None:
    file = made(tmp_path / "a.png", "testsrc2=size=64x48:rate=1", "-frames:v", "1")
    assert [(one["width"], one["height"]) for one in small_pictures(find_ffmpeg(), file)] == [(64, 48)]


def test_light_is_shown_as_a_screen_shows_it(tmp_path: Path) -> None:
    """An EXR of linear 0.2158 is a grey of 128 in sRGB."""
    grey = "color=c=0x808080:size=320x240:rate=1"
    linear = "format=gbrpf32le,lutrgb=r=val:g=val:b=val"
    file = tmp_path / "a.exr"
    values = "geq=r='0.2158':g='0.2158':b='0.2158'"
    made(file, grey, "-frames:v", "1", "-vf", f"{linear.split(',')[0]},{values}", "-pix_fmt", "gbrpf32le")
    [*_, large] = small_pictures(find_ffmpeg(), file)
    assert abs(grey_of(large["jpeg"], tmp_path) - 128) < 4


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"x" * 100, b"\x76\x2f\x31\x01" * 50])
def test_what_is_no_picture_gives_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(content)
    assert small_pictures(find_ffmpeg(), file) == []


def test_a_playlist_under_the_name_of_a_film_leads_nowhere(tmp_path: Path) -> None:
    secret = made(tmp_path / "secret.png", "testsrc2=size=64x48:rate=1", "-frames:v", "1")
    playlist = tmp_path / "a.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {secret}\n")
    assert small_pictures(find_ffmpeg(), playlist) == []


def test_a_picture_that_says_it_is_huge_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(tmp_path / "a.png", "testsrc2=size=640x480:rate=1", "-frames:v", "1")
    monkeypatch.setattr(pictures, "MOST_PIXELS", 640 * 479)
    assert small_pictures(find_ffmpeg(), file) == []


def test_ffmpeg_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o755)
    file = made(tmp_path / "a.png", "testsrc2=size=64x48:rate=1", "-frames:v", "1")
    monkeypatch.setattr(pictures, "SECONDS", 0.3)
    assert small_pictures(str(hangs), file) == []


# ---- from the attempt to the farm


class Farm:
    """What `Pictures` asks of a client."""

    def __init__(self, answer: JsonObject | Exception) -> None:
        self.answer, self.calls = answer, list[tuple[str, JsonObject]]()
        self.came = threading.Event()

    def worker_call(self, action: str, body: JsonObject) -> JsonObject:
        self.calls.append((action, body))
        self.came.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def running(tmp_path: Path) -> Any:
    ended = threading.Event()
    threads = []

    def start(farm: Farm) -> Pictures:
        shown = Pictures(farm, tmp_path / "pictures")  # type: ignore[arg-type]
        thread = threading.Thread(target=shown.run, args=(ended,))
        thread.start()
        threads.append(thread)
        return shown

    yield start
    ended.set()
    for thread in threads:
        thread.join(10)


def test_the_last_picture_is_sent_and_what_comes_meanwhile_waits(tmp_path: Path, running: Any) -> None:
    work = tmp_path / "work"
    work.mkdir()
    files = {
        f"f{n}.png": made(work / f"f{n}.png", f"testsrc2=size=64x{40 + 2 * n}:rate=1", "-frames:v", "1")
        for n in range(4)
    }
    farm = Farm({"again_seconds": 3600})
    shown = running(farm)
    shown.offer(LEASE, {**{name: files[name] for name in ("f0.png", "f1.png")}, "notes.txt": work / "notes.txt"})
    shutil.rmtree(work)  # as at the end of an attempt
    assert farm.came.wait(30)
    [(action, body)] = farm.calls
    assert (action, body["task"], body["generation"], body["name"]) == ("picture", "5", 1, "f1.png")
    assert [one["height"] for one in body["pictures"]] == [42]


def test_only_the_newest_of_what_waits_is_kept(tmp_path: Path) -> None:
    shown = Pictures(Farm({}), tmp_path / "pictures")  # type: ignore[arg-type]
    for number in range(5):
        file = tmp_path / f"{number}.png"
        file.write_bytes(b"x")
        shown.offer(LEASE, {file.name: file})
    assert len(os.listdir(tmp_path / "pictures")) == 1


def test_offering_costs_a_task_a_link(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    with file.open("wb") as opened:
        opened.truncate(pictures.LARGEST_BYTES)
    shown = Pictures(Farm({}), tmp_path / "pictures")  # type: ignore[arg-type]
    before = time.process_time()
    shown.offer(LEASE, {"film.mp4": file})
    assert time.process_time() - before < 0.5
    [kept] = (tmp_path / "pictures").iterdir()
    assert kept.stat().st_ino == file.stat().st_ino


def test_what_is_shown_is_kept_for_later_tasks_without_a_copy(
    manager: Manager,
    start_agent: Callable[..., threading.Event],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "copyfile", no_space)
    start_agent()
    for task in ("1", "2"):  # the picture of the second waits for its turn
        manager.queue(task, ("exec", {"argv": ["sh", "-c", f"echo {task} > a.png"]}), outputs=["a.png"])
        [output] = manager.wait_for_outcome(task)["outputs"]
    assert (tmp_path / "state" / "cache" / output["blob"]).exists()


def no_space(source: Path, target: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_worker_that_is_not_to_shows_nothing(tmp_path: Path) -> None:
    shown = Pictures(Farm({}), tmp_path / "pictures", wanted=False)  # type: ignore[arg-type]
    (tmp_path / "a.png").write_bytes(b"x")
    shown.offer(LEASE, {"a.png": tmp_path / "a.png"})
    assert not (tmp_path / "pictures").exists()


def test_a_file_that_is_gone_fails_no_task(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Pictures(Farm({}), tmp_path / "pictures").offer(LEASE, {"a.png": tmp_path / "a.png"})  # type: ignore[arg-type]
    assert "The picture 'a.png' cannot be shown" in caplog.text
    assert not (tmp_path / "pictures").exists()
