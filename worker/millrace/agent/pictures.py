"""What this worker rendered last, small, for people who watch: JPEGs in three sizes, made by ffmpeg after a task.

An attempt's thread offers the file that it has uploaded (`offer`): a hard link, or a copy of what is small. That is all
a task ever waits for. A thread of its own makes the pictures and sends them, the newest only, and no more often
than the farm says. Whatever goes wrong is said once and forgotten. The files come from programs that anybody may have
sent, so ffmpeg gets limits of memory, time and pixels, no network, and one decoder by what the file begins with.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from millrace.agent.client import FarmClient
from millrace.agent.errors import CommandFailed, FarmCallError
from millrace.agent.observe import WARNING, say
from millrace.agent.protocol import JsonObject, LeaseId

WIDTHS = (200, 600, 1920)
"""At most; a smaller picture is not enlarged, and comes in fewer sizes."""
MOST_JPEG_BYTES = 1_000_000
"""What the farm takes of one."""
QUALITIES = (4, 10, 24)
"""ffmpeg's, best first: worse ones only where a picture would be too large."""
LARGEST_COPIED_BYTES = 64 << 20
"""Where the work folder is on another disk, a larger file is not shown."""
LARGEST_BYTES = 2 << 30
MOST_PIXELS = 1 << 28
SECONDS = 60.0
MEMORY_BYTES = 4 << 30
USUAL_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10.0, 3600.0
EXR, PIPED = "exr", {"png", "jpeg", "tiff", "webp", "bmp"}
_AS_SEEN = ("-apply_trc", "iec61966_2_1")
"""The numbers in an EXR are light, not what a screen shows."""
BEGINNINGS: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\x76\x2f\x31\x01": EXR,
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"BM": "bmp",
    b"\x1a\x45\xdf\xa3": "matroska",
}
STILLS = {".jpg", ".jpeg", ".png", ".exr", ".tif", ".tiff", ".webp", ".bmp"}
FILMS = {".mp4", ".mov", ".m4v", ".mkv", ".webm"}


@dataclass(frozen=True)
class Offer:
    lease: LeaseId
    name: str
    file: Path


class Pictures:
    """One for the whole agent. `folder` is ours alone, and emptied."""

    def __init__(self, client: FarmClient, folder: Path, *, wanted: bool = True) -> None:
        self._client, self._folder, self._wanted = client, folder, wanted
        self._lock = threading.Condition()
        self._offer: Offer | None = None
        self._count = 0
        self._pause_seconds = USUAL_PAUSE_SECONDS
        shutil.rmtree(folder, ignore_errors=True)

    def offer(self, lease: LeaseId, files: Mapping[str, Path]) -> None:
        """What an attempt has made: the last by its name is shown, unless a newer offer comes first. Never raises."""
        shown = max((name for name in files if Path(name).suffix.lower() in STILLS | FILMS), default=None)
        if shown is None or not self._wanted:
            return
        try:
            kept = self._kept(files[shown])
        except OSError as error:
            say("picture", f"The picture {shown!r} cannot be shown: {error}", level=WARNING, lease=lease)
            return
        if kept is not None:
            self._replace(Offer(lease, shown, kept))

    def _kept(self, file: Path) -> Path | None:
        size = file.stat().st_size
        if not 0 < size <= LARGEST_BYTES:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._count += 1
            kept = self._folder / f"{self._count}{file.suffix.lower()}"
        try:
            os.link(file, kept)
        except OSError:
            if size > LARGEST_COPIED_BYTES:
                return None
            shutil.copyfile(file, kept)
        return kept

    def _replace(self, offer: Offer) -> None:
        with self._lock:
            before, self._offer = self._offer, offer
            self._lock.notify()
        if before is not None:
            before.file.unlink(missing_ok=True)

    def run(self, ended: threading.Event) -> None:
        """The body of its thread."""
        while not ended.is_set():
            with self._lock:
                if self._offer is None:
                    self._lock.wait(0.5)
                offer, self._offer = self._offer, None
            if offer is not None:
                try:
                    self._show(offer)
                finally:
                    offer.file.unlink(missing_ok=True)
                ended.wait(self._pause_seconds)

    def _show(self, offer: Offer) -> None:
        from millrace.runtimes.ffmpeg import find_ffmpeg  # most workers never render

        self._pause_seconds = USUAL_PAUSE_SECONDS
        try:
            made = small_pictures(find_ffmpeg(), offer.file)
            if not made:
                return say("picture", f"No picture can be made of {offer.name!r}.", level=WARNING, lease=offer.lease)
            answer = self._client.worker_call(
                "picture", {**offer.lease.to_wire(), "name": offer.name[:200], "pictures": made}
            )
            again = answer.get("again_seconds")
            if isinstance(again, (int, float)):
                self._pause_seconds = min(max(float(again), 1.0), LONGEST_PAUSE_SECONDS)
        except (CommandFailed, FarmCallError, OSError) as error:
            # No ffmpeg, or a manager from before there were pictures: neither is soon different.
            self._pause_seconds = LONGEST_PAUSE_SECONDS if isinstance(error, CommandFailed) else 60.0
            say("picture", f"The picture {offer.name!r} is not shown: {error}", level=WARNING, lease=offer.lease)


def small_pictures(program: str, file: Path) -> list[JsonObject]:
    """As the farm wants them, the smallest first; none if ffmpeg can make nothing of the file."""
    kind = _kind(file)
    if kind is None:
        return []
    sizes: dict[int, JsonObject] = {}
    for quality in QUALITIES:
        targets = [file.with_name(f"{file.stem}-{width}.small.jpg") for width in WIDTHS]
        try:
            _convert(program, kind, file, targets, quality)
            data = [target.read_bytes() if target.is_file() else b"" for target in targets]
        finally:
            for target in targets:
                target.unlink(missing_ok=True)
        if not all(data):
            return []
        if max(map(len, data)) <= MOST_JPEG_BYTES:
            for one in data:
                width, height = jpeg_size(one)
                jpeg = base64.b64encode(one).decode()
                sizes.setdefault(width, {"width": width, "height": height, "jpeg": jpeg})
            break
    return [sizes[width] for width in sorted(sizes)]


def _kind(file: Path) -> str | None:
    with file.open("rb") as opened:
        beginning = opened.read(16)
    if beginning[4:8] == b"ftyp":
        return "mov"
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in BEGINNINGS.items() if beginning.startswith(start)), None)


def _convert(program: str, kind: str, file: Path, targets: Sequence[Path], quality: int) -> None:
    """Fails silently: then a target is not there."""
    limits = ["-max_pixels", str(MOST_PIXELS), "-threads", "1"]
    if kind in PIPED or kind == EXR:
        as_seen = _AS_SEEN if kind == EXR else ()
        source = ["-protocol_whitelist", "pipe", *limits, "-frame_size", str(file.stat().st_size), *as_seen]
        source += ["-f", f"{kind}_pipe", "-i", "pipe:0"]
        first = "null"
    else:
        source = ["-protocol_whitelist", "file", *limits, "-f", kind, "-i", f"file:{file}"]
        first = "thumbnail=25"  # of the first frames the one that is most like the others, not a black one
    split = "".join(f"[s{number}]" for number in range(len(targets)))
    scaled = ";".join(
        f"[s{n}]scale=w='min({width},iw)':h='min({width},ih)':force_original_aspect_ratio=decrease,format=yuvj420p[o{n}]"
        for n, width in enumerate(WIDTHS)
    )
    results: list[str] = []
    for number, target in enumerate(targets):
        results += ["-map", f"[o{number}]", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", str(quality)]
        results += ["-f", "image2", "-update", "1", f"file:{target}"]
    graph = f"[0:v:0]{first},split={len(targets)}{split};{scaled}"
    _run([program, "-v", "error", "-nostdin", "-y", *source, "-filter_complex", graph, *results], file)


def _run(command: Sequence[str], file: Path) -> None:
    """With as little as possible: no token of the worker's in its environment, and limits that only it can run into."""
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    with (
        file.open("rb") as source,
        subprocess.Popen(
            command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        ) as process,
    ):
        try:
            _limit(process.pid)
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()


def _limit(pid: int) -> None:
    """From outside: in a process of many threads nothing of ours may run between fork and exec. Only Linux can;
    elsewhere the limits of time and pixels stand alone."""
    if sys.platform.startswith("linux"):
        import resource

        limits = (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, int(SECONDS)), (resource.RLIMIT_CORE, 0)
        for kind, most in limits:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, kind, (most, most))
        with suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, pid, 15)  # tasks come first


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height, from the frame header."""
    at = 2
    while at + 9 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length
    raise ValueError("no JPEG")
