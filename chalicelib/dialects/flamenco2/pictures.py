"""A picture on shared storage as a JPEG: what a worker only names, where the manager can read it too.

A worker may name any path, so the manager reads only below the folders that its operator allowed, and there only
regular files that begin as pictures do. ffmpeg gets the open file and the name of one decoder, never a path: a
playlist or a picture that refers to other files leads nowhere. One picture is converted at a time, and the last one is
kept, so that a hundred watchers cost one conversion.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ...core.errors import NotFound

LARGEST_BYTES = 512 << 20
"""8K, uncompressed, in the largest numbers, has 400 MB."""
LARGEST_UNCONVERTED_BYTES = 16 << 20
MOST_PIXELS = 1 << 28
"""A small file may say that it is huge."""
CONVERSION_SECONDS = 20.0
CONVERSION_BYTES = 4 << 30
"""Of address space: the picture itself, decoded in the largest numbers, and ffmpeg."""
BEGINNINGS: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\x76\x2f\x31\x01": "exr",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"SDPX": "dpx",
    b"XPDS": "dpx",
}
"""How a file begins -> ffmpeg's word for its format."""
SCALED = "scale=w='min(1920,iw)':h='min(1080,ih)':force_original_aspect_ratio=decrease"
"""At most 1920 x 1080, never enlarged, as the original manager did."""
AS_QUALITY_85 = "3"


class _Last:
    """The picture that was converted last, by what it was made of."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.source: tuple[str, int, int] | None = None
        self.jpeg = b""


_last = _Last()


def as_jpeg(path: str, folders: Sequence[Path]) -> bytes:
    """Raises NotFound that says why there is none. Takes up to CONVERSION_SECONDS, and as long again for each that asks
    for another picture at the same time."""
    if not folders:
        raise NotFound(f"this manager may read no pictures, so not {path}: MILLRACE_IMAGE_FOLDERS names no folder")
    with _last.lock, _opened(path, folders) as file:
        found = os.fstat(file.fileno())
        source = (path, found.st_mtime_ns, found.st_size)
        if source != _last.source:
            _last.jpeg, _last.source = _converted(file, path), source
        return _last.jpeg


@contextmanager
def _opened(path: str, folders: Sequence[Path]) -> Iterator[io.FileIO]:
    """The file, if it is where the manager may read. The way to it is walked again once it is open: a folder that was
    exchanged for a link in between leads to another file then, or out of the folders."""
    where = _inside(path, folders)
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(where, flags), "rb", buffering=0) as file:  # ffmpeg goes on where we stop
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise NotFound(f"{path} is not a file")
            if not os.path.samestat(found, os.stat(_inside(path, folders))):
                raise NotFound(f"{path} is another file now")
            if found.st_size > LARGEST_BYTES:
                raise NotFound(f"{path} is larger than {LARGEST_BYTES >> 20} MiB")
            yield file
    except OSError as error:
        raise NotFound(f"{path} cannot be read here: {error.strerror}") from None


def _inside(path: str, folders: Sequence[Path]) -> Path:
    try:
        where = Path(path)
        allowed = where.is_absolute() and any(where.resolve().is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # a NUL, a link to itself
        allowed = False
    if not allowed:
        raise NotFound(f"{path} is not below a folder that the manager may read")
    return where.resolve()


def _converted(file: io.FileIO, path: str) -> bytes:
    beginning = file.read(16)
    kind = next((kind for start, kind in BEGINNINGS.items() if beginning.startswith(start)), None)
    if kind is None:
        raise NotFound(f"{path} is no picture of a known kind ({', '.join(dict.fromkeys(BEGINNINGS.values()))})")
    file.seek(0)
    program = ffmpeg()
    if program is not None:
        return _by_ffmpeg(program, kind, file, path)
    if kind != "jpeg" or os.fstat(file.fileno()).st_size > LARGEST_UNCONVERTED_BYTES:
        raise NotFound(f"there is no ffmpeg on the manager's machine that could convert {path}")
    return file.read(LARGEST_UNCONVERTED_BYTES)


def ffmpeg() -> str | None:
    """The machine's own, else the one of the imageio-ffmpeg package."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg  # not everywhere

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def _by_ffmpeg(program: str, kind: str, file: io.FileIO, path: str) -> bytes:
    as_seen = ["-apply_trc", "iec61966_2_1"] if kind == "exr" else []  # its numbers are light, not what a screen shows
    size = os.fstat(file.fileno()).st_size  # without it a picture of some kinds would be read in pieces of 4 KiB
    limits = ["-protocol_whitelist", "pipe", "-max_pixels", str(MOST_PIXELS), "-frame_size", str(size)]
    source = [*limits, *as_seen, "-f", f"{kind}_pipe", "-i", "pipe:0"]
    result = ["-frames:v", "1", "-vf", SCALED, "-pix_fmt", "yuvj420p", "-q:v", AS_QUALITY_85, "-f", "mjpeg", "pipe:1"]
    command = [program, "-v", "error", "-threads", "1", *source, *result]
    try:
        jpeg = _run_confined(command, file)
    except (OSError, subprocess.TimeoutExpired):
        raise NotFound(f"{path} could not be converted") from None
    if not jpeg:
        raise NotFound(f"{path} could not be converted; perhaps it is still being written")
    return jpeg


def _run_confined(command: Sequence[str], file: io.FileIO) -> bytes:
    """What the program writes, or nothing when it fails. It reads a file from anywhere, so it has no secret of the
    manager's in its environment, and limits that only it can run into."""
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    with subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        _limit(process.pid)
        try:
            written, _ = process.communicate(timeout=CONVERSION_SECONDS)
        finally:
            process.kill()
    return written if process.returncode == 0 else b""


def _limit(pid: int) -> None:
    """Set from outside: in a process of many threads nothing of ours may run between fork and exec. Only Linux can;
    elsewhere the time limit and MOST_PIXELS stand alone."""
    if sys.platform.startswith("linux"):
        import resource

        for kind, most in (
            (resource.RLIMIT_AS, CONVERSION_BYTES),
            (resource.RLIMIT_CPU, int(CONVERSION_SECONDS)),
            (resource.RLIMIT_CORE, 0),
        ):
            with suppress(ProcessLookupError):
                resource.prlimit(pid, kind, (most, most))
