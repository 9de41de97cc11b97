"""A listening socket and the thread that accepts on it. `EmbeddedServer` starts one and stops it first."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

BACKLOG = 1024
_PAUSE_SECONDS = 0.1


class Listener:
    """Hands each new connection, with its peer's address, to `begin`; several processes may accept from one socket."""

    def __init__(self, listener: socket.socket, begin: Callable[[socket.socket, str], None]) -> None:
        self._begin = begin
        self._socket = listener
        self.port = int(self._socket.getsockname()[1])
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="accept", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when no more connections are accepted."""
        self._stopping.set()
        self._wake_writer.send(b".")
        self._thread.join()
        for end in (self._socket, self._wake_reader, self._wake_writer):
            end.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                self._accept_waiting()

    def _accept_waiting(self) -> None:
        while not self._stopping.is_set():
            try:
                client, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of file descriptors, or the client left: neither ends the server, both must not spin.
                logger.warning("A connection was not accepted: %s", error, extra={"action": "accept_failed"})
                self._stopping.wait(_PAUSE_SECONDS)
                return
            try:
                self._begin(client, str(address[0]))
            except Exception:  # whatever is wrong with one client must not keep out all others
                logger.exception("A connection was not begun", extra={"action": "accept_failed"})
                client.close()


def listening(host: str, port: int) -> socket.socket:
    """Raises OSError if the address is taken."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
