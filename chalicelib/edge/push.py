"""Calls that the farm makes to workers: HTTP to an address that a stranger named, and so the dangerous direction.

A room that pushes (transcode, flamenco1) calls `current.pusher().send(...)`. A call leaves only for the networks that
the operator allowed, and never for link-local, metadata, multicast or disguised addresses, whatever was allowed. The
host is resolved once, and the connection goes to exactly the address that was checked: a name that changes its mind
between check and connection gains nothing. No redirect is followed, no proxy asked, no credential sent. One deadline
covers resolving, connecting, sending and reading, so that a peer that drips bytes holds nobody up.

Nothing is kept between calls. A process that dies in the middle has perhaps sent the request, so what is pushed must
bear repetition.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from ..core.errors import FarmError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) -> its addresses as text. Raises OSError."""

LARGEST_ANSWER_BYTES = 1_000_000
LONGEST_SECONDS = 3.0
PORTS = {"http": 80, "https": 443}
OURS_ALONE = frozenset({"authorization", "proxy-authorization", "cookie", "host"})
"""Headers that no caller may set."""
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects it to loopback
        "169.254.0.0/16",  # link-local: the metadata services of the clouds
        "168.63.129.16/32",  # Azure's host
        "100.100.100.200/32",  # Alibaba's metadata
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata among them
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
        "fe80::/10",  # link-local
        "fec0::/10",
        "fd00:ec2::/32",  # AWS's metadata
        "fd20:ce::/32",  # Google's metadata
        "ff00::/8",  # multicast
        # IPv4 in IPv6's clothes: mapped, translated, NAT64, Teredo, 6to4. Who means an IPv4 address writes one.
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    )
)
_COMPATIBLE = ipaddress.IPv6Network("::/96")
"""The same in an older fashion; only `::1` in it means anything else."""


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

    def __init__(self, allowed_networks: Iterable[Network], *, resolver: Resolver = lookup) -> None:
        self._allowed = tuple(allowed_networks)
        self._resolver = resolver

    @property
    def may_push(self) -> bool:
        """Whether any address at all is allowed."""
        return bool(self._allowed)

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
        address = self._checked_address(host, port, deadline)
        connection = _Connection(host, port, address, deadline, encrypted=parts.scheme == "https")
        try:
            connection.request(method, _path_of(parts), body, dict(headers))
            return _answer(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PushFailed(f"{host}:{port} gave no answer: {str(error) or type(error).__name__}") from None
        finally:
            connection.close()

    def check(self, host: str, port: int) -> None:
        """Raises PushRefused unless this host may be called: for a registration, to be told at once."""
        self._checked_address(host, port, time.monotonic() + LONGEST_SECONDS)

    def _checked_address(self, host: str, port: int, deadline: float) -> Address:
        """The first of the host's addresses that may be called."""
        if not self._allowed:
            raise PushRefused("this farm calls no address; its operator may allow networks (MILLRACE_PUSH_NETWORKS)")
        reason = f"{host} has no address"
        for text in _in_time(self._resolver, host, port, deadline):
            address = _address(text)
            problem = f"{text} is no address" if address is None else self._problem(address)
            if address is not None and problem is None:
                return address
            reason = problem or reason
        raise PushRefused(reason)

    def _problem(self, address: Address) -> str | None:
        """Why this address is not called; None if it may be."""
        if any(address in network for network in NEVER) or _is_disguised(address):
            return f"{address} is an address that is never called"
        if not any(address in network for network in self._allowed):
            return f"{address} is outside the networks that the operator allowed (MILLRACE_PUSH_NETWORKS)"
        return None


def _is_disguised(address: Address) -> bool:
    return address in _COMPATIBLE and not address.is_loopback


def _address(text: str) -> Address | None:
    """None also for an address with a zone, which names a link."""
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


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
    if _address(host) is not None:
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


class _Connection(http.client.HTTPConnection):
    """Speaks to the checked address, and to the host's name only in the Host header and in TLS."""

    def __init__(self, host: str, port: int, address: Address, deadline: float, *, encrypted: bool) -> None:
        super().__init__(host, port)
        self._address = address
        self._deadline = deadline
        self._encrypted = encrypted
        if encrypted:
            self.default_port = PORTS["https"]  # it is left out of the Host header

    def connect(self) -> None:
        left = self._left()
        plain = socket.create_connection((str(self._address), self.port), timeout=left)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(self._left())
            self.sock = self._wrapped(plain)
        except BaseException:
            plain.close()
            raise

    def _wrapped(self, plain: socket.socket) -> _DeadlineSocket:
        if not self._encrypted:
            return _DeadlineSocket(plain, self._left)
        encrypted = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        return _DeadlineSocket(encrypted, self._left)

    def _left(self) -> float:
        """Seconds until the call must be over. Raises TimeoutError."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _DeadlineSocket:
    """What http.client needs of a socket, with one deadline for all of it instead of one per read.

    http.client closes its socket before it reads the body of an answer after which the connection ends, and counts on
    the file that it made to keep the connection open: so the file, once made, is what closes it.
    """

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left
        self._is_read = False

    def sendall(self, data: ReadableBuffer) -> None:
        self._sock.settimeout(self._left())
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._is_read = True
        return io.BufferedReader(_DeadlineReader(self._sock, self._left))

    def close(self) -> None:
        if not self._is_read:
            self._sock.close()


class _DeadlineReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._left())
        return self._sock.recv_into(memoryview(buffer))

    def close(self) -> None:
        self._sock.close()
        super().close()
