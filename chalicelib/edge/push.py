"""Calls that the farm makes to workers: HTTP to an address that a stranger named, and so the dangerous direction.

A room that pushes (transcode, flamenco1) calls `current.pusher().send(...)`. A call leaves only for the networks that
the operator allowed, and never for link-local, metadata, multicast or disguised addresses, whatever was allowed. The
host is resolved once, and the connection goes to an address that was checked and to no other: a name that changes its
mind between check and connection gains nothing, and of a name with several addresses those that may not be called are
left out. No redirect is followed, no proxy asked, no credential sent. One deadline
covers resolving, connecting, sending and reading, so that a peer that drips bytes holds nobody up.

Nothing is kept between calls. A process that dies in the middle has perhaps sent the request, so what is pushed must
bear repetition.
"""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ..core.errors import FarmError
from .networks import Address, Network, address_of, problem_with
from .push_connection import HTTPS_PORT, CheckedConnection

Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) -> its addresses as text. Raises OSError."""

LARGEST_ANSWER_BYTES = 1_000_000
LONGEST_SECONDS = 3.0
PORTS = {"http": 80, "https": HTTPS_PORT}
OURS_ALONE = frozenset({"authorization", "proxy-authorization", "cookie", "host"})
"""Headers that no caller may set."""


class PushFailed(FarmError):
    """No usable answer came."""


class PushRefused(PushFailed):
    """The farm does not call this address. It will not do so next time either."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


def lookup(host: str, port: int) -> Sequence[str]:
    """The system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Pusher:
    """Makes calls to addresses inside these networks. Safe between threads."""

    def __init__(
        self,
        allowed_networks: Iterable[Network],
        *,
        resolver: Resolver = lookup,
        setting: str = "MILLRACE_PUSH_NETWORKS",
    ) -> None:
        self._allowed = tuple(allowed_networks)
        self._setting = setting
        self._resolver = resolver

    @property
    def may_push(self) -> bool:
        """Whether any address at all is allowed."""
        return bool(self._allowed)

    def check(self, url: str, timeout_seconds: float = 1.0) -> None:
        """Whether a call to this URL would leave, as things are now; nothing is sent, and nobody is connected to.

        Raises PushRefused (with the reason) if it would not, PushFailed when the host cannot be resolved in time.
        """
        _, host, port = _target(url)
        self._checked_addresses(host, port, time.monotonic() + min(timeout_seconds, LONGEST_SECONDS))

    def send(
        self, url: str, method: str, headers: Mapping[str, str], body: bytes = b"", timeout_seconds: float = 1.0
    ) -> Answer:
        """One call, within `timeout_seconds` (at most 3) from beginning to end. Redirects come back as they are.

        Raises PushRefused (with the reason) for a URL or address that is not allowed, PushFailed when there is no
        answer in time or it is no HTTP or above 1 MB.
        """
        if not OURS_ALONE.isdisjoint(name.lower() for name in headers):
            raise ValueError(f"a push sends none of {', '.join(sorted(OURS_ALONE))}")
        deadline = time.monotonic() + min(timeout_seconds, LONGEST_SECONDS)
        parts, host, port = _target(url)
        addresses = self._checked_addresses(host, port, deadline)
        connection = CheckedConnection(host, port, addresses, deadline, encrypted=parts.scheme == "https")
        try:
            connection.request(method, _path_of(parts), body, dict(headers))
            return _answer(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PushFailed(f"{host}:{port} gave no answer: {str(error) or type(error).__name__}") from None
        finally:
            connection.close()

    def _checked_addresses(self, host: str, port: int, deadline: float) -> Sequence[Address]:
        """Those of the host's addresses that may be called, in the resolver's order; at least one."""
        if not self._allowed:
            raise PushRefused(f"this farm calls no address; its operator may allow networks ({self._setting})")
        checked: list[Address] = []
        reason = f"{host} has no address"
        for text in _in_time(self._resolver, host, port, deadline):
            address = address_of(text)
            problem = (
                f"{text} is no address" if address is None else problem_with(address, self._allowed, self._setting)
            )
            if address is not None and problem is None:
                checked.append(address)
            reason = problem or reason
        if not checked:
            raise PushRefused(reason)
        return checked


def _target(url: str) -> tuple[SplitResult, str, int]:
    """The parts of a URL, its host and its port. Raises PushRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise PushRefused(f"{url[:100]!r} is not a URL") from None
    if parts.scheme not in PORTS or not host:
        raise PushRefused(f"only http and https URLs with a host are called, not {url[:100]!r}")
    if "@" in parts.netloc:
        raise PushRefused("a URL with credentials is not called")
    if not url.isascii() or not url.isprintable() or " " in url or "%" in host or port == 0:
        raise PushRefused(f"{url[:100]!r} is not a URL")
    return parts, host, port or PORTS[parts.scheme]


def _path_of(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _in_time(resolver: Resolver, host: str, port: int, deadline: float) -> Sequence[str]:
    """What the resolver says, if it says so in time: it knows no timeout itself, so it is left behind in a thread."""
    if address_of(host) is not None:
        return [host]
    told: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(resolver(host, port))
        except (OSError, UnicodeError):
            told.put(None)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        found = told.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        found = None
    if found is None:
        raise PushFailed(f"{host[:100]!r} could not be resolved")
    return found


def _answer(response: http.client.HTTPResponse) -> Answer:
    with response:
        body = response.read(LARGEST_ANSWER_BYTES + 1)
    if len(body) > LARGEST_ANSWER_BYTES:
        raise ValueError(f"its answer is larger than {LARGEST_ANSWER_BYTES} bytes")
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
