"""SIGTERM and Ctrl-C, told to a thread."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable


def on_each_stop_signal(then: Callable[[], None]) -> None:
    """Calls `then` for each of either, in a thread of its own. Does nothing outside the main thread, which alone may
    set handlers.

    Not by a handler in Python: that runs in the main thread, and not before the main thread runs Python. A signal that
    comes in the moment before it sleeps on a lock finds it asleep, and is heard by nobody; one that comes while it has
    taken a lock that `then` needs, an event's for example, would wait for ever for what it interrupts. What Python
    writes to the wakeup descriptor, it writes at once (`signal.set_wakeup_fd`).
    """
    if threading.current_thread() is not threading.main_thread():
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)

    def listen() -> None:
        with mouth:  # which would close when nobody knows it any more
            while ear.recv(1):
                then()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listen, name="signals", daemon=True).start()
