"""What is asked of a farm's API, whatever it is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from millrace.sdk.calls import Calls
from millrace.sdk.values import Job, Task, Token, Webhook, WorkerInfo

PAGE = 100


class Asking:
    """The part of `Farm` that its methods stand on."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def _get(self, path: str, **params: Any) -> dict[str, Any]:
        return self._calls.json("GET", path, repeatable=True, params=params)

    def _pages(self, path: str, status: str | None) -> Iterator[dict[str, Any]]:
        """The items of all pages, fetched as they are asked for."""
        params: dict[str, Any] = {"limit": PAGE} | ({"status": status} if status else {})
        while True:
            page = self._get(path, **params)
            yield from page.get("items", ())
            if not page.get("next"):
                return
            params["cursor"] = page["next"]


def id_of(thing: str | Job | Task | Token | Webhook | WorkerInfo) -> str:
    """As it stands in a path."""
    return quote(thing if isinstance(thing, str) else thing.id, safe="")
