"""Bytes from the network into files, a few at a time, while the attempt lives. For all transfers of the worker."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from millrace.agent.errors import CommandFailed, NoRoom, Unreachable

PARALLEL = 4
BLOCK_BYTES = 1024 * 1024
FULL = (errno.ENOSPC, errno.EDQUOT)

Wait = Callable[[float], None]
"""Pauses for so many seconds and raises `Stopped` when the attempt was stopped; 0 only asks."""
T = TypeVar("T")
S = TypeVar("S")


def all_at_once(work: Callable[[S], T], items: list[S]) -> list[T]:
    """`work` on each item, four at a time, results in order; the first error ends it."""
    if len(items) <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="transfer") as pool:
        return list(pool.map(work, items))


def copy_to(path: Path, response: BaseHTTPResponse, mode: str, wait: Wait) -> None:
    try:
        with open(path, mode) as file:
            start = file.tell()
            for block in response.stream(BLOCK_BYTES):
                file.write(block)
                wait(0)
            received = file.tell() - start
    except (HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise NoRoom(f"no room for it in {path.parent} on this worker: {error.strerror}") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise CommandFailed(f"cannot write {path.name}: {error.strerror}") from error
        raise Unreachable(f"the download broke off: {error.__class__.__name__}") from error
    if received < int(response.headers.get("Content-Length") or 0):
        raise Unreachable("the download broke off early")


def sha256_of(path: Path, wait: Wait = lambda seconds: None) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            wait(0)
    return digest.hexdigest()
