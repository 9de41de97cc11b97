"""What the processes of one server share: the listening socket, the wakes, and the end of whoever started them.

`supervisor.py` makes the sockets and hands them down; each process gets them as `Siblings`. A wake is one datagram
`{"topic", "times"}` to each of the others, sent after the commit that it is about. It may be lost (a full buffer): then
a long poll ends in its time, and asks again. It may be one too many: then somebody looks for nothing.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from chalicelib.embedded.bell import LocalBell

logger = logging.getLogger(__name__)

DATAGRAM_BYTES = 8192


@dataclass(frozen=True)
class Siblings:
    """File descriptors that a server process inherits."""

    listener: int
    """The socket that all of them accept from."""
    ear: int
    """Where wakes of the others arrive."""
    mouths: tuple[int, ...]
    """One for each of the others' ears."""
    lifeline: int
    """A pipe that ends when the supervisor does, however that happens."""
    announces: bool
    """Whether this process is the one that says `ready`."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self.listener, self.ear, *self.mouths, self.lifeline)

    def as_text(self) -> str:
        return ",".join(map(str, (int(self.announces), self.listener, self.ear, self.lifeline, *self.mouths)))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ValueError."""
        announces, listener, ear, lifeline, *mouths = map(int, text.split(","))
        return cls(listener, ear, tuple(mouths), lifeline, bool(announces))


class SharedBell(LocalBell):
    """A bell that is heard in all processes of the server.

    `on_heard` is called with a topic that another process rang, before it rings here: what this process has cached
    about it may be old.
    """

    def __init__(self, siblings: Siblings) -> None:
        super().__init__()
        self._ear = socket.socket(fileno=siblings.ear)
        self._mouths = [socket.socket(fileno=mouth) for mouth in siblings.mouths]
        for mouth in self._mouths:
            mouth.setblocking(False)
        self.on_heard: Callable[[str], None] = lambda topic: None
        threading.Thread(target=self._listen, name="wakes", daemon=True).start()

    def ring(self, topic: str, *, times: int | None = 1) -> None:
        super().ring(topic, times=times)
        _tell(self._mouths, topic, times)

    def _listen(self) -> None:
        while True:  # a daemon: it ends with its process
            try:
                said = json.loads(self._ear.recv(DATAGRAM_BYTES))
                self.on_heard(said["topic"])
                super().ring(said["topic"], times=said["times"])
            except Exception:
                logger.exception("A wake of another process was not passed on", extra={"action": "wake_failed"})
                time.sleep(0.1)  # whatever it is, it must not spin


def _tell(mouths: Sequence[socket.socket], topic: str, times: int | None) -> None:
    if not mouths:
        return
    said = json.dumps({"topic": topic, "times": times}).encode()
    for mouth in mouths:
        try:
            mouth.send(said)
        except OSError:
            pass  # its buffer is full, or it is being started again: its long polls end in their time


def when_alone(lifeline: int, then: Callable[[], None]) -> None:
    """Call `then` when the supervisor has ended: nobody would end this process otherwise."""

    def wait() -> None:
        os.read(lifeline, 1)
        then()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
