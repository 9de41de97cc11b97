"""One keep-alive connection over asyncio, with as little of HTTP as a client of our own server needs.

A library would spend more of the machine than the server that is measured.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after_seconds: float | None
    body: Any


class Cut(Exception):
    """No answer: the connection was refused, broke, or took too long."""


class Wire:
    """For one call at a time. Connects when it has to."""

    def __init__(self, url: str, authorization: str = "") -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        self._host, self._port = place.hostname, place.port or 80
        self.authorization = authorization
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, seconds: float = 30.0
    ) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await self._call(method, path, b"" if body is None else json.dumps(body).encode(), headers or {})
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            self.close()
            raise Cut(f"{method} {path}: {error!r}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _call(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Authorization: {self.authorization}"] if self.authorization else []
        lines += ["Content-Type: application/json"] if data else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        told = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(told.get("content-length", 0)))
        if told.get("connection") == "close":
            self.close()
        pause = told.get("retry-after")
        return Answer(int(head[0].split()[1]), None if pause is None else float(pause), _json(body))


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
