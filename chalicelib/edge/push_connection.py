"""HTTP to addresses that were checked before and to no other, with one deadline for all of it. For `push.py`."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .networks import Address

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

HTTPS_PORT = 443


class CheckedConnection(http.client.HTTPConnection):
    """Speaks to the first of the checked addresses that takes the connection, and to the host's name only in the Host
    header and in TLS. `addresses`: at least one."""

    def __init__(self, host: str, port: int, addresses: Sequence[Address], deadline: float, *, encrypted: bool) -> None:
        super().__init__(host, port)
        self._addresses = addresses
        self._deadline = deadline
        self._encrypted = encrypted
        if encrypted:
            self.default_port = HTTPS_PORT  # it is left out of the Host header

    def connect(self) -> None:
        plain = self._connected()
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(self._left())
            self.sock = self._wrapped(plain)
        except BaseException:
            plain.close()
            raise

    def _connected(self) -> socket.socket:
        """A name may have an address of each family while its worker listens on one of them, so each gets its share of
        the time."""
        refused: OSError | None = None
        for tries, address in zip(range(len(self._addresses), 0, -1), self._addresses, strict=True):
            try:
                return socket.create_connection((str(address), self.port), timeout=self._left() / tries)
            except OSError as error:
                refused = error
        raise refused or OSError("there is no address to connect to")

    def _wrapped(self, plain: socket.socket) -> _DeadlineSocket:
        if not self._encrypted:
            return _DeadlineSocket(plain, self._left)
        encrypted = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        return _DeadlineSocket(encrypted, self._left)

    def _left(self) -> float:
        """Seconds until the call must be over. Raises TimeoutError."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _DeadlineSocket:
    """What http.client needs of a socket, with one deadline for all of it instead of one per read.

    http.client closes its socket before it reads the body of an answer after which the connection ends, and counts on
    the file that it made to keep the connection open: so the file, once made, is what closes it.
    """

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left
        self._is_read = False

    def sendall(self, data: ReadableBuffer) -> None:
        self._sock.settimeout(self._left())
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._is_read = True
        return io.BufferedReader(_DeadlineReader(self._sock, self._left))

    def close(self) -> None:
        if not self._is_read:
            self._sock.close()


class _DeadlineReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._left())
        return self._sock.recv_into(memoryview(buffer))

    def close(self) -> None:
        self._sock.close()
        super().close()
