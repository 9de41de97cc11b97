"""One client's connection, served by one thread: requests in turn, each answered in as few packets as possible.

A head and a small body leave in one write: in two, Nagle's algorithm and the client's delayed acknowledgement cost 44
ms.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from chalicelib.embedded.answers import Answer, refusal
from chalicelib.embedded.http1 import Head, Refused, parse_head, render_head
from chalicelib.embedded.incoming import IDLE_SECONDS, Body, CutOff, Incoming

logger = logging.getLogger(__name__)

Respond = Callable[[Head, Body, str], Answer]
SEND_SECONDS = IDLE_SECONDS  # the same, since each change of a time limit is a system call
LINGER_SECONDS = 10.0
_ONE_WRITE_BYTES = 64 * 1024
_WORTH_DRAINING_BYTES = 256 * 1024
_BODILESS = frozenset({204, 304})


class Connection:
    """Serves until the client or the server wants to end. `is_stopping` is asked after each answer."""

    def __init__(self, client: socket.socket, peer: str, respond: Respond, is_stopping: Callable[[], bool]) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = client
        self._peer = peer
        self._respond = respond
        self._is_stopping = is_stopping
        self._incoming = Incoming(client)
        self._is_busy = False

    def run(self) -> None:
        try:
            while self._serve_one():
                pass
        except (CutOff, OSError) as error:
            logger.debug("A client went away: %s", error, extra={"action": "client_gone"})
        finally:
            self._socket.close()

    def end_if_idle(self) -> None:
        """Also from the thread that stops the server. What the client has sent already is still read and answered."""
        if not self._is_busy:
            self._shut(socket.SHUT_RD)

    def cut(self) -> None:
        self._shut(socket.SHUT_RDWR)

    def _serve_one(self) -> bool:
        self._is_busy = False
        if self._is_stopping():  # asked after saying idle, as the stopping thread asks after saying stop: one sees it
            self.end_if_idle()
        try:
            raw = self._incoming.head(self._now_busy)
            if raw is None:
                return False
            head = parse_head(raw)
        except Refused as refused:
            self._send(refusal(refused), is_head=False, close=True)
            self._linger()
            return False
        body = Body(self._incoming, head, self._say_continue)
        return self._answer(head, body)

    def _answer(self, head: Head, body: Body) -> bool:
        answer = self._respond(head, body, self._peer)
        must_linger = not body.finished and not _is_worth_draining(body)
        close = answer.close or must_linger or not head.keep_alive or self._is_stopping()
        self._send(answer, is_head=head.method == "HEAD", close=close)
        if must_linger or (close and not body.finished):
            self._linger()
        while not close and body.read():
            pass
        return not close

    def _send(self, answer: Answer, *, is_head: bool, close: bool) -> None:
        part = answer.part
        try:
            bodiless = answer.status in _BODILESS
            head = render_head(answer.status, answer.headers, length=None if bodiless else answer.length, close=close)
            if self._socket.gettimeout() != SEND_SECONDS:
                self._socket.settimeout(SEND_SECONDS)
            if is_head or bodiless:
                self._socket.sendall(head)
            elif part is not None:
                self._socket.sendall(head)
                if part.length and self._socket.sendfile(part.file, part.offset, part.length) != part.length:
                    raise CutOff("a file is shorter than it was")
            elif len(answer.body) <= _ONE_WRITE_BYTES:
                self._socket.sendall(head + answer.body)
            else:
                self._socket.sendall(head)
                self._socket.sendall(answer.body)
        finally:
            if part is not None:
                part.file.close()

    def _linger(self) -> None:
        """Closing while the client still sends would reset the connection and take our answer with it."""
        self._shut(socket.SHUT_WR)
        self._incoming.drain(LINGER_SECONDS)

    def _say_continue(self) -> None:
        self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _now_busy(self) -> None:
        self._is_busy = True

    def _shut(self, how: int) -> None:
        try:
            self._socket.shutdown(how)
        except OSError:
            pass  # the client was faster


def _is_worth_draining(body: Body) -> bool:
    return body.was_invited and body.left is not None and body.left <= _WORTH_DRAINING_BYTES
