"""A port for a server that is to come, or to come back."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

FIRST, LAST = 10_000, 32_000
"""Below those that Linux gives to connections, and to who asks for any port."""


def free_port() -> int:
    """Nobody listens there, and nobody is sent there by chance: of the others, a connection or another test's server
    may have taken any a moment later, or while a server is down."""
    for port in random.SystemRandom().sample(range(FIRST, LAST), 100):
        with socket.socket() as attempt, suppress(OSError):
            attempt.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
