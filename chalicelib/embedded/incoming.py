"""What comes in on a socket: heads, and bodies of known length or in chunks, read with time limits.

Used by one connection's thread. When the client goes away in the middle, `CutOff` says so; it is no OSError, because
who stores a stream must not take it for a trouble of the disk.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

from chalicelib.embedded.http1 import MAX_HEAD_BYTES, Head, Refused

IDLE_SECONDS = 120.0
"""Longer than the longest poll interval (60 s), so that workers find their connection open."""
HEAD_SECONDS = 30.0
BODY_SECONDS = 60.0
SLOWEST_BYTES_PER_SECOND = 512
"""A body may come no slower on the whole, after its first BODY_SECONDS: else who sends a byte a minute on each of some
thousand connections keeps everybody else out."""
RECEIVE_BYTES = 64 * 1024
HEAD_BYTES = 4 * 1024
"""Of a thread that waits for a request its buffer is there already: two thousand of them must not be large."""
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?")


class CutOff(Exception):
    """The client went away, or sent nothing for too long, before the request was complete."""


class Incoming:
    """The receiving side of one connection, with what was read too far."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""

    @property
    def has_more(self) -> bool:
        return bool(self._buffer)

    def head(self, on_first_byte: Callable[[], None]) -> bytes | None:
        """The next head without its blank line; None if the client is done with this connection."""
        if not self._buffer and not self._next_arrives():
            return None
        on_first_byte()
        self._buffer = self._buffer.lstrip(b"\r\n")
        deadline = time.monotonic() + HEAD_SECONDS
        while (end := self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES + 4)) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise Refused(431, f"the head is longer than {MAX_HEAD_BYTES} bytes", close=True)
            self._buffer += self._more(deadline - time.monotonic())
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return head

    def read(self, size: int) -> bytes:
        """Between 1 and `size` bytes. Raises CutOff at the end."""
        data = self._buffer or self._receive(BODY_SECONDS, min(size, RECEIVE_BYTES * 4))
        if not data:
            raise CutOff
        self._buffer = data[size:]
        return data[:size] if self._buffer else data

    def line(self, limit: int = 4096) -> bytes:
        """Up to CR LF, without it."""
        deadline = time.monotonic() + BODY_SECONDS
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > limit:
                raise Refused(400, "a line between the chunks of the body is too long", close=True)
            self._buffer += self._more(deadline - time.monotonic())
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def drain(self, seconds: float) -> None:
        """Throw away what still comes, until the client is done or the time is over."""
        deadline = time.monotonic() + seconds
        self._buffer = b""
        try:
            while (left := deadline - time.monotonic()) > 0 and self._receive(left, RECEIVE_BYTES * 4):
                pass
        except (CutOff, OSError):
            pass  # it only mattered that the answer was not overtaken by a reset

    def _next_arrives(self) -> bool:
        try:
            self._buffer = self._receive(IDLE_SECONDS, HEAD_BYTES)
        except CutOff:
            return False
        return bool(self._buffer)

    def _more(self, seconds: float) -> bytes:
        if seconds <= 0 or not (data := self._receive(seconds, RECEIVE_BYTES)):
            raise CutOff
        return data

    def _receive(self, seconds: float, size: int) -> bytes:
        if seconds != self._socket.gettimeout():
            self._socket.settimeout(seconds)
        try:
            return self._socket.recv(size)
        except (TimeoutError, ConnectionError):
            raise CutOff from None


class Body:
    """The body of one request as a stream. `read` gives b"" at its end, as a file does, and raises CutOff before it."""

    def __init__(self, incoming: Incoming, head: Head, say_continue: Callable[[], None]) -> None:
        self._incoming = incoming
        self._chunked = head.chunked
        self._left = head.content_length or 0
        self._say_continue = say_continue if head.expects_continue else None
        self.finished = not head.chunked and self._left == 0
        self._received = 0
        self._waited_seconds = 0.0

    @property
    def left(self) -> int | None:
        """Bytes to come, or None when only the end will tell."""
        return None if self._chunked and not self.finished else self._left

    def read(self, size: int = RECEIVE_BYTES * 4) -> bytes:
        if self.finished or size == 0:
            return b""
        self.invite()
        began = time.monotonic()
        data = self._next_bytes(size)
        self._waited_seconds += time.monotonic() - began
        self._received += len(data)
        if self._waited_seconds > BODY_SECONDS + self._received / SLOWEST_BYTES_PER_SECOND:
            raise CutOff
        return data

    def _next_bytes(self, size: int) -> bytes:
        if self._chunked and self._left == 0 and not self._next_chunk():
            return b""
        data = self._incoming.read(min(size, self._left))
        self._left -= len(data)
        if self._left == 0:
            self._end_of_piece()
        return data

    def invite(self) -> None:
        """A client that asked first is told to send; a client that already sends needs no telling."""
        if self._say_continue is not None and not self._incoming.has_more:
            self._say_continue()
        self._say_continue = None

    @property
    def was_invited(self) -> bool:
        return self._say_continue is None

    def _end_of_piece(self) -> None:
        if not self._chunked:
            self.finished = True
        elif self._incoming.line():
            raise Refused(400, "a chunk of the body is longer than it said", close=True)

    def _next_chunk(self) -> bool:
        match = _CHUNK_SIZE.fullmatch(self._incoming.line())
        if match is None:
            raise Refused(400, "the body is not in chunks as Transfer-Encoding says", close=True)
        self._left = int(match.group(1), 16)
        if self._left == 0:
            self._skip_trailers()
            self.finished = True
        return self._left > 0

    def _skip_trailers(self) -> None:
        for _ in range(100):
            if not self._incoming.line():
                return
        raise Refused(400, "too many lines after the last chunk", close=True)
