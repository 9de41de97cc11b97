"""SIGTERM and Ctrl-C, as an event that threads wait for."""

from __future__ import annotations

import signal
import socket
import threading


def stop_signal() -> threading.Event:
    """Set soon after the first of either. For the main thread, which alone may set handlers.

    Not by a handler in Python: that runs in the main thread, and not before the main thread runs Python. A signal that
    comes in the moment before it sleeps in `Event.wait` finds it asleep, and is heard by nobody; one that comes in the
    middle of `Event.wait` finds the event's lock taken, by the very thread that would have to leave it. What Python
    writes to the wakeup descriptor, it writes at once (`signal.set_wakeup_fd`).
    """
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    stop = threading.Event()

    def listen() -> None:
        with mouth:  # which would close when nobody knows it any more
            while ear.recv(1):
                stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listen, name="signals", daemon=True).start()
    return stop
