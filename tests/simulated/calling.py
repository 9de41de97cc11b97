"""Calls to a farm that may be away for a while: its process is killed and started again in the middle of some tests."""

from __future__ import annotations

import time
from typing import Any

import requests
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout
from urllib3.exceptions import NewConnectionError

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.2


class NoAnswer(Exception):
    """The call was sent and may have been heard."""


class Caller:
    """One client with its own connections. Not to be shared between threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def send(self, method: str, path: str, *, repeats: bool = True, **options: Any) -> requests.Response:
        """`repeats` False: for calls that must not be made twice; raises NoAnswer instead."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._session.request(method, self.url + path, allow_redirects=False, timeout=40, **options)
            except (ConnectionError, ChunkedEncodingError, ReadTimeout) as error:
                if not repeats and not _was_never_sent(error):
                    raise NoAnswer(f"{method} {path}") from error
                if time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)

    def ok(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of a good answer, or None where there is none."""
        answer = self.send(method, path, **options)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def close(self) -> None:
        self._session.close()


def _was_never_sent(error: Exception) -> bool:
    reason = error.args[0] if error.args else None
    return isinstance(getattr(reason, "reason", reason), NewConnectionError)
