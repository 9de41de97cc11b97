"""Clients that a farm has to bear: readers without manners, and some who stop reading or sending half way."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from urllib.parse import urlsplit

from tests.load.wire import Cut, Wire


class EagerReaders:
    """Each asks for the list of jobs again and again, without a pause, whatever it is told."""

    def __init__(self, url: str, number: int) -> None:
        self.statuses: Counter[int] = Counter()
        self.told: Counter[float | None] = Counter()
        """`Retry-After` of refusals."""
        self.cuts = 0
        self._wires = [Wire(url) for _ in range(number)]
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        self._tasks = [asyncio.create_task(self._run(wire)) for wire in self._wires]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in self._wires:
            wire.close()

    async def _run(self, wire: Wire) -> None:
        while True:
            try:
                answer = await wire.call("GET", "/api/v1/jobs", seconds=60.0)
            except Cut:
                self.cuts += 1
                await asyncio.sleep(0.1)
                continue
            self.statuses[answer.status] += 1
            if answer.status == 503:
                self.told[answer.retry_after_seconds] += 1


def stopped_clients(url: str, number: int) -> list[socket.socket]:
    """Half of them send half a contract and no more; the others ask for pages and never read one."""
    place = urlsplit(url)
    found = []
    for n in range(number):
        client = socket.create_connection((place.hostname or "", place.port or 80))
        head = f"POST /worker/1/contract HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 100\r\n\r\n{{"
        pages = f"GET /static/app.js HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n" * 200
        client.setblocking(False)
        try:
            client.send((head if n % 2 else pages).encode())
        except BlockingIOError:
            pass
        found.append(client)
    return found
