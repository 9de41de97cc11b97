"""The log of one attempt: a local file that the task writes and the shipper reads, so the task never waits for the
network.

    outbox/<task>-<generation>.log     everything the attempt said, valid UTF-8, in order
    outbox/<task>-<generation>.sent    {"offset", "until", "ended"}: what the farm has, and the chunk now under way

The chunk under way is noted before it is sent: after a crash exactly the same bytes go out again, and the farm keeps
them once.
"""

from __future__ import annotations

import codecs
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from millrace.agent.durable import read_json, write_json_durably
from millrace.agent.protocol import LeaseId

MAX_LOG_BYTES = 256 * 1024 * 1024
"""Beyond this the rest of a log is dropped: a task that prints without end must not fill the disk."""

_HOLE = b"\n(the worker's disk was full: a part of the log is missing here)\n"


class TaskLog:
    """What the runtimes write to. Safe to call from several threads; lines of ours never split a line of the task."""

    def __init__(self, folder: Path, lease: LeaseId, grew: Callable[[], None] = lambda: None) -> None:
        self.lease = lease
        self._grew = grew
        self._lock = threading.Lock()
        self._file = open(log_path(folder, lease), "ab", buffering=0)  # noqa: SIM115 - until close()
        self._size = self._file.tell()
        self._at_line_start = True
        self._is_full = self._size >= MAX_LOG_BYTES
        self._has_hole = False

    def line(self, text: str) -> None:
        """A line of our own, with the time before it."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._lock:
            start = "" if self._at_line_start else "\n"
            self._append(f"{start}{stamp} {text}\n")

    def text(self, text: str) -> None:
        """Output of the task as it came."""
        with self._lock:
            self._append(text)

    def follow(self, pipe: IO[bytes], on_output: Callable[[], None] = lambda: None) -> None:
        """Copy a command's output until it ends; bytes that are not UTF-8 become U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while block := os.read(pipe.fileno(), 65536):
            on_output()
            self.text(decoder.decode(block))
        self.text(decoder.decode(b"", final=True))

    def close(self) -> None:
        """Everything said is on disk when this returns: the report comes after it."""
        with self._lock:
            if not self._file.closed:
                with suppress(OSError):  # a full disk: the report says more than the log could
                    os.fsync(self._file.fileno())
                self._file.close()
        self._grew()

    @property
    def size(self) -> int:
        return self._size

    def _append(self, text: str) -> None:
        content = text.encode("utf-8", "replace")
        if not content or self._file.closed or self._is_full:
            return
        if self._size + len(content) > MAX_LOG_BYTES:
            content = b"\n(the log is longer than the farm keeps; the rest was dropped)\n"
            self._is_full = True
        if not self._wrote(_HOLE + content if self._has_hole else content):
            # The task goes on: whoever waits for its output would wait for ever.
            self._has_hole = True
            return
        self._has_hole = False
        self._at_line_start = content.endswith(b"\n")
        self._grew()

    def _wrote(self, content: bytes) -> bool:
        """All of it, or nothing: the file stays valid text."""
        try:
            is_whole = self._file.write(content) == len(content)
        except OSError:
            is_whole = False
        if is_whole:
            self._size += len(content)
        else:
            with suppress(OSError):
                self._file.truncate(self._size)
        return is_whole


class Delivery:
    """How far the farm has the log of one attempt; lives on disk, outlives the agent."""

    def __init__(self, folder: Path, lease: LeaseId) -> None:
        self.lease = lease
        self._log = log_path(folder, lease)
        self._note = self._log.with_suffix(".sent")
        kept = read_json(self._note) or {}
        self.offset = int(kept.get("offset", 0))
        self._until = int(kept.get("until", 0))

    def pending(self) -> int:
        """Bytes that the farm does not have yet."""
        try:
            return self._log.stat().st_size - self.offset
        except OSError:
            return 0

    def next_chunk(self, limit: int) -> str:
        """The text to send at `offset`: the one noted before, if any, else up to `limit` bytes of what is new."""
        length = self._until - self.offset if self._until > self.offset else limit
        with open(self._log, "rb") as file:
            file.seek(self.offset)
            chunk = _whole_characters(file.read(length))
        if self._until <= self.offset:
            self._remember(self.offset, self.offset + len(chunk))
        return chunk.decode("utf-8", "replace")

    def stored(self, next_offset: int) -> None:
        """The farm has everything before `next_offset`."""
        self.offset = max(0, next_offset)
        self._remember(self.offset, 0)

    def forget(self) -> None:
        self._log.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _remember(self, offset: int, until: int) -> None:
        self._until = until
        with suppress(OSError):  # on a full disk the log goes out all the same; after a crash too much of it, perhaps
            write_json_durably(self._note, {"offset": offset, "until": until})


def log_path(folder: Path, lease: LeaseId) -> Path:
    return folder / f"{lease}.log"


def kept_logs(folder: Path) -> list[LeaseId]:
    """The attempts whose logs are still here from before."""
    found = []
    for path in sorted(folder.glob("*.log")):
        task, _, generation = path.stem.rpartition("-")
        if task.isdigit() and generation.isdigit():
            found.append(LeaseId(task, int(generation)))
    return found


def _whole_characters(chunk: bytes) -> bytes:
    """`chunk` without a character cut in two at its end."""
    for back in range(1, min(4, len(chunk)) + 1):
        byte = chunk[-back]
        if byte & 0xC0 == 0x80:
            continue
        width = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return chunk if width <= back else chunk[:-back]
    return chunk
