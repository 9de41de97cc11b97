"""`run_listener`: be a worker of a foreign master until stopped.

Registers, sends a heartbeat every 3 s, reports each task's end, and says goodbye. A master that is away is tried again;
one that does not know this worker any more is registered with anew.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from millrace.agent.errors import StartError, Unreachable
from millrace.agent.observe import ERROR, WARNING, log_to_stderr, say
from millrace.agent.processes import end_leftovers
from millrace.agent.state import StateFolder
from millrace.listener.conversions import Conversions
from millrace.listener.master import Master
from millrace.listener.server import Listener
from millrace.listener.wire import Status
from millrace.signals import on_each_stop_signal

HEARTBEAT_SECONDS = 3.0
RETRY_SECONDS = 1.0
REPORTS = 3
"""Tries to report a result; a master that missed them asks by itself."""
ANYWHERE = frozenset({"", "0.0.0.0", "::"})


def run_listener(
    master_url: str,
    host: str,
    port: int,
    *,
    storage: Path,
    state_dir: Path,
    token: str | None = None,
    stop_event: threading.Event | None = None,
) -> int:
    """The process's exit code: 0 after a clean stop, 2 when it cannot start (address or state folder in use)."""
    log_to_stderr()
    stop = stop_event or threading.Event()
    try:
        if not storage.is_dir():
            raise StartError(f"the storage {str(storage)!r} is no folder", 2)
        state = StateFolder.prepared(state_dir)
        with state.lock():
            end_leftovers(state.work)
            on_each_stop_signal(stop.set)
            return _serve(Master(master_url, token), host, port, storage, state, stop)
    except StartError as error:
        say("start", str(error), level=ERROR)
        return error.exit_code


def _serve(master: Master, host: str, port: int, storage: Path, state: StateFolder, stop: threading.Event) -> int:
    session = Session(master, host, stop)
    conversions = Conversions(state.work, storage, session.report)
    try:
        listener = Listener(host, port, conversions, session.is_master)
    except OSError as error:
        raise StartError(f"cannot listen on {host}:{port}: {error}", 2) from None
    answering = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.1}, name="listener")
    answering.start()
    say("listen", "Waiting for the master's tasks.", host=host, port=listener.port)
    try:
        session.keep(listener.port, conversions)
    finally:
        listener.shutdown()
        answering.join()
        listener.server_close()
        conversions.stop()
        session.leave()
    return 0


class Session:
    """This worker's standing at its master."""

    def __init__(self, master: Master, host: str, stop: threading.Event) -> None:
        self._master = master
        self._host = "" if host in ANYWHERE else host
        self._stop = stop
        self._worker_id = ""
        self._addresses: frozenset[str] = frozenset()

    def is_master(self, peer: str) -> bool:
        return peer in self._addresses

    def keep(self, port: int, conversions: Conversions) -> None:
        """Stay registered until stopped."""
        while not self._stop.is_set():
            try:
                pause = self._beat(port, conversions.busy)
            except Unreachable as error:
                say("contact", f"{error}.", level=WARNING)
                pause = RETRY_SECONDS
            self._stop.wait(pause)

    def _beat(self, port: int, busy: bool) -> float:
        """Register, or send a heartbeat; how long to wait then."""
        if self._worker_id and self._master.heartbeat(self._worker_id, busy=busy):
            return HEARTBEAT_SECONDS
        self._addresses = self._master.addresses()  # before it may call
        self._worker_id = self._master.register(self._host, port, busy=busy)
        say("register", "Registered with the master." if self._worker_id else "The master refuses this worker.")
        return HEARTBEAT_SECONDS if self._worker_id else RETRY_SECONDS

    def report(self, status: Status) -> None:
        """Tell the master that a task has ended, and that there is room for another."""
        for _ in range(REPORTS):
            try:
                self._master.report(status)
                if self._worker_id and not self._stop.is_set():
                    self._master.heartbeat(self._worker_id, busy=False)
                return
            except Unreachable:
                time.sleep(RETRY_SECONDS)

    def leave(self) -> None:
        try:
            if self._worker_id:
                self._master.unregister(self._worker_id)
        except Unreachable as error:
            say("leave", f"{error}.", level=WARNING)
