"""The latest image: its path for everybody, the picture itself where the manager may read it, news of the next."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from chalicelib.config import BadSettings, Settings, settings_from
from chalicelib.core import latest_image
from chalicelib.dialects.flamenco2 import pictures
from chalicelib.edge import current
from tests.dialects.flamenco2.conftest import Flamenco, Site
from tests.worker.processes import until

JPEG = b"\xff\xd8\xff"
needs_ffmpeg = pytest.mark.skipif(pictures.ffmpeg() is None, reason="there is no ffmpeg")


def draw(path: Path, size: str = "320x240") -> Path:
    """A test picture of that kind, by the real ffmpeg."""
    program = pictures.ffmpeg()
    assert program is not None
    source = ["-f", "lavfi", "-i", f"testsrc=size={size}:rate=1"]
    subprocess.run([program, "-v", "error", *source, "-frames:v", "1", "-y", str(path)], check=True, timeout=60)
    return path


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Width and height, from the frame header."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")


@pytest.fixture
def shared(site: Site, settings: Settings, tmp_path: Path) -> Path:
    """A folder on shared storage that the manager may read."""
    folder = tmp_path / "shared"
    folder.mkdir()
    current.serve(site.farm, replace(settings, image_folders=(folder,)))
    return folder


@pytest.fixture
def worker(site: Site) -> Flamenco:
    return site.worker()


def produced(worker: Flamenco, path: Path | str) -> None:
    assert worker.post("/output-produced", {"paths": [str(path)]}).status_code == 204


def picture(site: Site) -> requests.Response:
    """A person is more patient than a worker."""
    return site.session.get(site.url + "/latest-image.jpg", timeout=60)


def refusal(site: Site) -> str:
    answer = picture(site)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    return answer.text


@needs_ffmpeg
@pytest.mark.parametrize("kind", ["png", "jpg", "exr", "tiff", "dpx"])
def test_a_picture_on_shared_storage_is_shown_as_jpeg(site: Site, worker: Flamenco, shared: Path, kind: str) -> None:
    produced(worker, draw(shared / f"frame.{kind}"))
    answer = picture(site)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.content.startswith(JPEG) and size_of(answer.content) == (320, 240)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("size", "shown"), [("3840x2160", (1920, 1080)), ("4000x1000", (1920, 480)), ("500x2160", (250, 1080))]
)
def test_a_large_picture_is_made_smaller_in_its_shape(
    site: Site, worker: Flamenco, shared: Path, size: str, shown: tuple[int, int]
) -> None:
    produced(worker, draw(shared / "large.png", size))
    assert size_of(picture(site).content) == shown


@needs_ffmpeg
def test_the_same_picture_is_converted_once_and_a_new_one_again(
    site: Site, worker: Flamenco, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversions: list[str] = []
    by_ffmpeg = pictures._by_ffmpeg
    monkeypatch.setattr(pictures, "_by_ffmpeg", lambda *args: conversions.append(args[1]) or by_ffmpeg(*args))
    path = draw(shared / "frame.png")
    produced(worker, path)
    first = [picture(site).content for _ in range(3)]
    assert len(set(first)) == 1 and conversions == ["png"]
    draw(path, "400x300")
    os.utime(path, ns=(0, 1))
    assert size_of(picture(site).content) == (400, 300)


def test_without_ffmpeg_a_jpeg_is_shown_as_it_is(
    site: Site, worker: Flamenco, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "ffmpeg", lambda: None)
    (shared / "a.jpg").write_bytes(JPEG + b" and more")
    produced(worker, shared / "a.jpg")
    assert picture(site).content == JPEG + b" and more"
    (shared / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    produced(worker, shared / "a.png")
    assert "no ffmpeg" in refusal(site)


def test_nothing_is_read_unless_the_operator_says_where(site: Site, worker: Flamenco, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    assert refusal(site) == "no image was produced yet"
    produced(worker, tmp_path / "a.jpg")
    assert "MILLRACE_IMAGE_FOLDERS" in refusal(site) and str(tmp_path / "a.jpg") in refusal(site)


def test_nothing_outside_the_folders_is_read(site: Site, worker: Flamenco, shared: Path) -> None:
    secret = shared.parent / "secret.jpg"
    secret.write_bytes(JPEG)
    beside = shared.parent / "shared-but-not"
    beside.mkdir()
    (beside / "a.jpg").write_bytes(JPEG)
    (shared / "link.jpg").symlink_to(secret)
    (shared / "up").symlink_to(shared.parent)
    (shared / "loop").symlink_to(shared / "loop")
    plainly = [secret, beside / "a.jpg", shared / ".." / "secret.jpg"]
    by_links = [shared / "link.jpg", shared / "up" / "secret.jpg", shared / "loop"]
    elsewhere = ["secret.jpg", "C:\\a.jpg", "file:///etc/passwd", f"{shared}/x\x00y", "/" * 5000]
    for path in (*plainly, *by_links, *elsewhere):
        produced(worker, path)
        assert refusal(site).endswith("is not below a folder that the manager may read"), path


def test_a_folder_that_becomes_a_link_while_it_is_opened_leads_nowhere(
    site: Site, worker: Flamenco, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that was opened must be the one that is there afterwards."""
    inside, outside = shared / "day", shared.parent / "private"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.jpg").write_bytes(JPEG)
    produced(worker, inside / "a.jpg")
    real_open = os.open

    def exchanged(path: object, flags: int, *more: int) -> int:
        if Path(str(path)) != inside / "a.jpg":
            return real_open(path, flags, *more)  # type: ignore[call-overload, no-any-return]
        inside.rename(shared / "aside")
        inside.symlink_to(outside)
        try:
            return real_open(path, flags, *more)  # type: ignore[call-overload, no-any-return]
        finally:
            inside.unlink()
            (shared / "aside").rename(inside)

    monkeypatch.setattr(pictures.os, "open", exchanged)
    assert refusal(site).endswith("is another file now")


def test_what_is_no_picture_is_not_shown(site: Site, worker: Flamenco, shared: Path) -> None:
    (shared / "list.png").write_bytes(b"ffconcat version 1.0\nfile /etc/passwd\n")
    (shared / "empty.jpg").write_bytes(b"")
    (shared / "folder.jpg").mkdir()
    os.mkfifo(shared / "pipe.jpg")
    with (shared / "huge.jpg").open("wb") as file:
        file.write(JPEG)
        file.truncate(pictures.LARGEST_BYTES + 1)
    reasons = {
        "list.png": "is no picture of a known kind",
        "empty.jpg": "is no picture of a known kind",
        "folder.jpg": "cannot be read here: Is a directory",
        "pipe.jpg": "is not a file",
        "huge.jpg": "is larger than 512 MiB",
        "gone.jpg": "cannot be read here: No such file",
    }
    for name, reason in reasons.items():
        produced(worker, shared / name)
        assert reason in refusal(site)


@needs_ffmpeg
def test_a_picture_that_is_cut_off_or_lies_about_itself_is_not_shown(
    site: Site, worker: Flamenco, shared: Path
) -> None:
    whole = draw(shared / "whole.png").read_bytes()
    (shared / "cut.png").write_bytes(whole[:30])
    (shared / "bomb.png").write_bytes(whole[:16] + (60_000).to_bytes(4, "big") * 2 + whole[24:])
    for name in ("cut.png", "bomb.png"):
        produced(worker, shared / name)
        assert "could not be converted" in refusal(site)


@pytest.mark.skipif(not os.path.exists("/proc/self/limits"), reason="only Linux sets limits from outside")
def test_what_converts_has_limits_and_none_of_the_managers_secrets(
    site: Site, worker: Flamenco, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, seen = tmp_path / "bin" / "ffmpeg", tmp_path / "seen"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nsleep 0.5\n(ulimit -a; env) > {seen}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    (shared / "any.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    produced(worker, shared / "any.png")
    assert "could not be converted" in refusal(site)
    said = seen.read_text()
    assert str(pictures.CONVERSION_BYTES // 1024) in said and "hush" not in said and "MILLRACE" not in said


@needs_ffmpeg
def test_a_picture_that_needs_more_than_the_limit_is_not_shown(
    site: Site, worker: Flamenco, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(shared / "large.png", "9000x9000")
    monkeypatch.setattr(pictures, "CONVERSION_BYTES", 200 << 20)
    produced(worker, shared / "large.png")
    assert "could not be converted" in refusal(site)


def test_the_page_names_the_path_and_shows_the_picture(site: Site, worker: Flamenco) -> None:
    assert site.get("/latest-image").status_code == 404
    worker.post("/output-produced", {"paths": ["/r/0001.exr", "/r/<b>0002.exr"]})
    page = site.get("/latest-image").text
    assert "/r/&lt;b&gt;0002.exr" in page and "node7" in page
    assert '<img src="latest-image.jpg"' in page and "imagewatch" in page


def events(text: str) -> dict[str, str]:
    """The fields of the one event in it."""
    assert text.endswith("\n\n")
    return dict(line.split(": ", 1) for line in text.splitlines() if line)


def test_a_watcher_is_greeted_and_then_told_of_each_image(site: Site, worker: Flamenco) -> None:
    produced(worker, "/r/0001.exr")
    answer = site.get("/imagewatch")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    greeting = events(answer.text)
    assert (greeting["event"], greeting["data"]) == ("notification", "hello there!")
    site.clock.ahead_ms += 1
    produced(worker, "/r/0002.exr")
    news = events(site.get("/imagewatch", headers={"Last-Event-ID": greeting["id"]}).text)
    assert (news["event"], news["data"]) == ("image", "latest-image.jpg")
    assert int(news["id"]) > int(greeting["id"])


def test_a_watcher_that_waits_hears_of_the_next_image_at_once(site: Site, worker: Flamenco) -> None:
    seen = events(site.get("/imagewatch").text)["id"]
    heard: list[str] = []
    other = Site(site.farm, site.url, site.clock)
    watching = threading.Thread(
        target=lambda: heard.append(
            other.session.get(f"{site.url}/imagewatch", headers={"Last-Event-ID": seen}, timeout=30).text
        )
    )
    watching.start()
    until(lambda: site.farm.bell._waiters.get(latest_image.TOPIC), "a watcher", 10)  # type: ignore[attr-defined]
    produced(worker, "/r/0001.exr")
    watching.join(10)
    assert events(heard[0])["event"] == "image"


def test_without_news_a_watch_ends_quietly(site: Site, worker: Flamenco, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.dialects.flamenco2.image_routes.WATCH_SECONDS", 0.0)
    produced(worker, "/r/0001.exr")
    seen = events(site.get("/imagewatch", headers={"Last-Event-ID": "nonsense"}).text)["id"]
    answer = site.get("/imagewatch", headers={"Last-Event-ID": seen})
    assert (answer.status_code, answer.text) == (200, ": nothing new\n\n")


def test_the_folders_come_from_the_environment() -> None:
    two = os.pathsep.join(["/mnt/renders", " /mnt/more/ ", ""])
    assert settings_from({"MILLRACE_IMAGE_FOLDERS": two}).image_folders == (Path("/mnt/renders"), Path("/mnt/more"))
    assert settings_from({}).image_folders == ()
    with pytest.raises(BadSettings, match="MILLRACE_IMAGE_FOLDERS"):
        settings_from({"MILLRACE_IMAGE_FOLDERS": "renders"})
