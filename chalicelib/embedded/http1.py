"""HTTP/1.1 on paper: bytes of a request's head to values, an answer's head to bytes. No sockets.

Written by hand because the head is most of what a small request costs: the standard library's handler takes several
times as long as the farm's own work. It is stricter too: whatever two programs could read differently is refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import quote

MAX_TARGET_BYTES = 16 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_COUNT = re.compile(r"[0-9]{1,18}")
_ONCE = frozenset({"host", "content-length", "transfer-encoding", "authorization", "origin", "expect"})
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Refused(Exception):
    """The request is answered with an error, and nothing is done with it. `close`: what follows cannot be trusted."""

    def __init__(
        self, status: int, message: str, *, close: bool = False, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.close = close
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Head:
    """What a client asks for. Header names are in lower case; `path` and `query` are still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    keep_alive: bool
    content_length: int | None
    chunked: bool
    expects_continue: bool


def parse_head(raw: bytes) -> Head:
    """The head of a request, without the blank line that ends it. Raises Refused."""
    text = raw.decode("latin-1")
    if "\0" in text or not text.count("\r") == text.count("\n") == text.count("\r\n"):
        raise _malformed("a line of the request does not end in CR LF, or it holds a NUL")
    first, *lines = text.split("\r\n")
    method, target, is_1_1 = _request_line(first)
    headers = _headers(lines)
    if is_1_1 and "host" not in headers:
        raise _malformed("the header Host is missing")
    path, _, query = _origin_form(target).partition("?")
    length, chunked = _framing(headers, is_1_1)
    return Head(
        method=method,
        path=path,
        query=query,
        headers=headers,
        keep_alive=_keeps_alive(headers.get("connection"), is_1_1),
        content_length=length,
        chunked=chunked,
        expects_continue=is_1_1 and _expects_continue(headers.get("expect")),
    )


def render_head(status: int, headers: Sequence[tuple[str, str]], *, length: int | None, close: bool) -> bytes:
    """The answer's head with the blank line. `length` None: none is sent. Raises ValueError on a bad header."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"Date: {_date()}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if close:
        lines.append("Connection: close")
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a header of the answer holds a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _request_line(line: str) -> tuple[str, str, bool]:
    if len(line) > MAX_TARGET_BYTES:
        raise Refused(414, f"the request line is longer than {MAX_TARGET_BYTES} bytes", close=True)
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not parts[1]:
        raise _malformed("the first line is not a method, a path and a version")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise Refused(505, "this server speaks HTTP/1.1 and HTTP/1.0", close=True)
    return method, target, version == "HTTP/1.1"


def _origin_form(target: str) -> str:
    if not target.startswith("/"):
        scheme, found, rest = target.partition("://")
        if not found or scheme.lower() not in ("http", "https"):
            raise _malformed("the requested path does not start with /")
        host, slash, path = rest.partition("/")
        target = slash + path or "/"
    if not target.isascii():  # some clients send UTF-8 as it is
        target = quote(target.encode("latin-1"), safe="%/?#[]@!$&'()*+,;=:-._~|\"<>{}^`")
    if any(ord(character) < 33 or character == "\x7f" for character in target):
        raise _malformed("the requested path holds a control character")
    return target


def _headers(lines: Sequence[str]) -> dict[str, str]:
    if len(lines) > MAX_HEADERS:
        raise Refused(431, f"more than {MAX_HEADERS} headers", close=True)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise _malformed(f"this is not a header: {line[:60]!r}")
        name = name.lower()
        if name in headers and name in _ONCE:
            raise _malformed(f"the header {name} is there twice")
        headers[name] = value.strip(" \t")  # of a repeated header the last counts, as it does behind API Gateway
    return headers


def _framing(headers: Mapping[str, str], is_1_1: bool) -> tuple[int | None, bool]:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if length is not None or not is_1_1:
            raise _malformed("Transfer-Encoding goes with HTTP/1.1 and without Content-Length")
        if coding.lower() != "chunked":
            raise Refused(501, f"Transfer-Encoding is chunked or absent, not {coding[:40]!r}", close=True)
        return None, True
    if length is None:
        return None, False
    if not _COUNT.fullmatch(length):
        raise _malformed(f"Content-Length is a count of bytes, not {length[:40]!r}")
    return int(length), False


def _keeps_alive(connection: str | None, is_1_1: bool) -> bool:
    if connection is None:
        return is_1_1
    options = {option.strip().lower() for option in connection.split(",")}
    return "close" not in options if is_1_1 else "keep-alive" in options


def _expects_continue(expect: str | None) -> bool:
    if expect is not None and expect.lower() != "100-continue":
        raise Refused(417, f"Expect is 100-continue or absent, not {expect[:40]!r}", close=True)
    return expect is not None


def _malformed(message: str) -> Refused:
    return Refused(400, message, close=True)


_date_of_second: tuple[int, str] = (0, "")


def _date() -> str:
    global _date_of_second  # one formatting per second; a race between threads writes the same value twice
    second, text = int(time.time()), _date_of_second[1]
    if second != _date_of_second[0]:
        text = formatdate(second, usegmt=True)
        _date_of_second = (second, text)
    return text
