"""`millrace serve --processes N`: several server processes on one address and data folder, and who looks after them.

The supervisor listens, serves nothing and holds no table: it starts the processes, which inherit the listening socket
and the sockets of their wakes (`siblings.py`), and starts a killed one again. It ends when it is told to, when it is
killed (the processes notice and end in order), or when a process ends by itself with an error, with its exit code.

One process of Python uses one core. More than there are cores gain nothing: writers take turns at the table's lock.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

from chalicelib.embedded.listener import listening
from chalicelib.embedded.siblings import Siblings

logger = logging.getLogger(__name__)

MOST_PROCESSES = 64
CHECK_SECONDS = 0.2
PAUSE_SECONDS = 1.0
"""Before a process that was killed is started again."""
END_SECONDS = 15.0
"""A process lets its requests end for ten."""


class Supervisor:
    """Runs `command`, which understands `--inherited`, `count` times. Raises OSError if the address cannot be had."""

    def __init__(self, command: Sequence[str], count: int, host: str, port: int) -> None:
        self._command = command
        self._listener = listening(host, port)
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(count)]
        self._lifeline, self._held = os.pipe()
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self, stop: threading.Event) -> int:
        """Until `stop` is set; gives the exit code. Raises OSError if not all can be started; then none is left."""
        code = 0
        try:
            for number in range(len(self._pairs)):
                self._processes.append(self._start(number, announces=number == 0))
            while not code and not stop.wait(CHECK_SECONDS):
                for number, process in enumerate(self._processes):
                    code = code or self._looked_after(number, process, stop)
        finally:
            ended = self._end()
        return ended or code

    def _looked_after(self, number: int, process: subprocess.Popen[bytes], stop: threading.Event) -> int:
        """The code with which all is to end; 0 to go on."""
        code = process.poll()
        if code is None:
            return 0
        if code >= 0:
            return code or 1  # it found something that a second start would find too
        extra = {"action": "process_killed", "signal": -code}
        logger.warning("A server process was killed and is started again", extra=extra)
        if not stop.wait(PAUSE_SECONDS):
            try:
                self._processes[number] = self._start(number, announces=False)
            except OSError as error:  # the machine has no memory or no processes left: the next look tries again
                extra = {"action": "process_not_started"}
                logger.warning("A server process cannot be started now: %s", error, extra=extra)
        return 0

    def _start(self, number: int, *, announces: bool) -> subprocess.Popen[bytes]:
        mouths = tuple(mouth.fileno() for other, (_, mouth) in enumerate(self._pairs) if other != number)
        ear = self._pairs[number][0].fileno()
        shared = Siblings(self._listener.fileno(), ear, mouths, self._lifeline, announces)
        command = [*self._command, "--inherited", shared.as_text()]
        return subprocess.Popen(command, pass_fds=shared.descriptors, stdin=subprocess.DEVNULL)

    def _end(self) -> int:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        code = 0
        for process in self._processes:
            try:
                code = max(code, process.wait(END_SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for end in (self._listener, *(end for pair in self._pairs for end in pair)):
            end.close()
        for pipe in (self._lifeline, self._held):
            os.close(pipe)
        return code


def command_of_this_process() -> list[str]:
    """How to start one process of the server: as this one was, with the options that follow taking precedence."""
    return [sys.executable, "-m", "chalicelib.embedded", *sys.argv[1:]]
