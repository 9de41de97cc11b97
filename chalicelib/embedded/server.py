"""The HTTP server of the embedded farm: a listening socket, a thread per connection, an orderly end.

`serving` starts one; tests start many. It answers as soon as `start` returned. `stop` takes no new connections, wakes
long polls, lets running requests end for ten seconds, and then cuts what is left: a client that got no answer repeats
its call, which every call of the farm allows.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from chalice.app import Chalice

from chalicelib.core.ports import Clock
from chalicelib.embedded.answers import refusal
from chalicelib.embedded.connection import Connection
from chalicelib.embedded.http1 import Refused, render_head
from chalicelib.embedded.listener import Listener, listening
from chalicelib.embedded.service import Guard, Service, Together
from chalicelib.store.files import FileObjectStore

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 4000


class SystemClock:
    """Wall-clock time."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


class EmbeddedServer:
    """Serves one Chalice app and the folder of objects on one address. Port 0: any free port, see `url`."""

    def __init__(
        self,
        app: Chalice,
        objects: FileObjectStore,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        spool_dir: Path | None = None,
        guard: Guard | None = None,
        clock: Clock | None = None,
        on_stop: Sequence[Callable[[], None]] = (),
        max_connections: int = MAX_CONNECTIONS,
        inherited: socket.socket | None = None,
        together: Together = nullcontext,
    ) -> None:
        """`spool_dir`: on the objects' disk, so that a spooled file can be adopted. `on_stop`: wakes long polls.
        `inherited`: a socket that listens already, in place of host and port. `together`: as for `Service`."""
        spool_folder = spool_dir or objects.incoming
        spool_folder.mkdir(parents=True, exist_ok=True)
        self._service = Service(
            app,
            objects,
            clock=clock or SystemClock(),
            spool_folder=spool_folder,
            guard=guard,
            together=together,
        )
        self._host, self._port = host, port
        self._on_stop = on_stop
        self._max_connections = max_connections
        self._connections: set[Connection] = set()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._inherited = inherited
        self._listener: Listener | None = None

    def start(self) -> None:
        """Raises OSError when the address cannot be had."""
        self._listener = Listener(self._inherited or listening(self._host, self._port), self._begin)
        self._listener.start()
        self._port = self._listener.port

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    def stop(self, seconds: float = 10.0) -> None:
        """Returns when the last request has ended, or was cut. A second call does nothing."""
        if self._listener is None or self._stopping.is_set():
            return
        self._stopping.set()
        self._listener.stop()
        for wake in self._on_stop:
            wake()
        for connection in self._snapshot():
            connection.end_if_idle()
        if not self._wait_until_empty(seconds):
            logger.warning("Requests are cut at the end", extra={"action": "requests_cut"})
            for connection in self._snapshot():
                connection.cut()
            self._wait_until_empty(1.0)

    def _begin(self, client: socket.socket, peer: str) -> None:
        client.setblocking(True)
        connection = Connection(client, peer, self._service.answer, self._stopping.is_set)
        with self._changed:
            is_full = len(self._connections) >= self._max_connections
            if not is_full:
                self._connections.add(connection)
        try:
            if not is_full:
                threading.Thread(target=self._run, args=(connection,), name=f"client {peer}", daemon=True).start()
                return
        except RuntimeError:  # the machine has no more threads to give
            self._forget(connection)
        _turn_away(client)

    def _run(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def _snapshot(self) -> list[Connection]:
        with self._changed:
            return list(self._connections)

    def _wait_until_empty(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._connections, timeout=seconds)


def _turn_away(client: socket.socket) -> None:
    answer = refusal(Refused(503, "too many connections", headers={"Retry-After": "5"}))
    head = render_head(503, answer.headers, length=len(answer.body), close=True)
    with client:
        try:
            client.setblocking(False)
            client.send(head + answer.body)
        except OSError:
            pass  # it will see the closed connection
