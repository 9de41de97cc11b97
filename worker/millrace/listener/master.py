"""What this worker says to a foreign master: register, heartbeat, results, goodbye.

Every field is sent in both spellings of the protocol. HTTP 200 is all that the protocol promises of an answer.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

import requests

from millrace.agent.errors import Unreachable
from millrace.listener.wire import FAILURE, JsonObject, Status
from millrace.sdk.sessions import Session

TIMEOUT_SECONDS = 3.0


class Master:
    """A master at `url`. Raises Unreachable when it does not answer with HTTP 200."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._base = url.rstrip("/") + "/master/"
        self._query = {"token": token} if token else {}
        self._session = Session()
        self._session.trust_env = False
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    def register(self, host: str, port: int, *, busy: bool) -> str:
        """Our id at the master; empty if it refuses. `host` may be empty: then the connection's address counts."""
        program = {"worker_id": host, "worker_port": port}
        answer = self._call("register", {"ip": host, "port": port, **program, "state": int(busy), "cuts": True})
        if _code(answer) < 0:
            return ""
        named = answer.get("worker_id")
        return named if isinstance(named, str) and named else f"{host}:{port}"

    def heartbeat(self, worker_id: str, *, busy: bool) -> bool:
        """False: the master does not know us (any more)."""
        state = int(busy)
        return _code(self._call("heartbeat", {"worker_id": worker_id, "worker_state": state, "state": state})) >= 0

    def report(self, status: Status) -> None:
        self._call("set_task_result", status.to_report())

    def unregister(self, worker_id: str) -> None:
        self._call("unregister", {"worker_id": worker_id})

    def addresses(self) -> frozenset[str]:
        """Where its calls come from: the addresses of its host."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unreachable(f"the master's host {self._host!r} has no address: {error}") from None
        return frozenset(plain(str(one[4][0])) for one in found)

    def _call(self, name: str, body: JsonObject) -> JsonObject:
        try:
            answer = self._session.post(
                self._base + name,
                params=self._query,
                json={"type": 0, **body},
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
            said: Any = answer.json() if answer.status_code == 200 else None
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise Unreachable(f"the master gave no answer to {name}: {type(error).__name__}") from None
        if not isinstance(said, dict):
            raise Unreachable(f"the master answered {name} with HTTP status {answer.status_code}")
        return said


def _code(answer: JsonObject) -> int:
    code = answer.get("err_code", answer.get("error_code", 0))
    return code if isinstance(code, int) else FAILURE


def plain(address: str) -> str:
    """An address in one spelling: without a zone, and IPv4 as IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
