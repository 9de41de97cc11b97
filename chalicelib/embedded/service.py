"""The order in which a request meets the farm: guard, object door or route, body, app.

Everything that can be refused is refused before the body is read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chalice.app import Chalice

from chalicelib.core.ports import Clock
from chalicelib.edge import request_ids
from chalicelib.edge.http import Room, rooms_of
from chalicelib.edge.log_lines import REQUESTS
from chalicelib.edge.refusals import NO_INTERFACE, PROBLEM_TYPE, allow_header, is_api
from chalicelib.embedded.answers import JSON, Answer, json_answer, refusal
from chalicelib.embedded.gateway import Gateway
from chalicelib.embedded.http1 import Head, Refused
from chalicelib.embedded.incoming import Body, CutOff
from chalicelib.embedded.object_door import ObjectDoor
from chalicelib.embedded.routing import Match, Routes
from chalicelib.embedded.spool import received
from chalicelib.store.files import FileObjectStore
from chalicelib.store.signing import PREFIX

logger = logging.getLogger(__name__)
requests_log = logging.getLogger(REQUESTS)

Guard = Callable[[str, str, Mapping[str, str], str], tuple[int, Mapping[str, Any]] | None]
"""(method, path, headers in lower case, peer address) -> None, or the status and JSON body of a refusal."""


class Service:
    """Answers requests. Shared by all connections; keeps nothing between requests."""

    def __init__(
        self, app: Chalice, objects: FileObjectStore, *, clock: Clock, spool_folder: Path, guard: Guard | None
    ) -> None:
        self._methods = {pattern: frozenset(entries) for pattern, entries in app.routes.items()}
        self._routes = Routes(self._methods)
        self._rooms = rooms_of(app)
        self._gateway = Gateway(app, objects)
        self._door = ObjectDoor(objects, clock)
        self._spool_folder = spool_folder
        self._guard = guard

    def answer(self, head: Head, body: Body, peer: str) -> Answer:
        """Always an answer; raises only CutOff, when there is nobody left to answer."""
        if not requests_log.isEnabledFor(logging.INFO):
            return self._safely(head, body, peer)
        began = time.monotonic()
        with request_ids.serving(head.headers.get(request_ids.HEADER)):
            answer = self._safely(head, body, peer)
            spent_ms = round((time.monotonic() - began) * 1000, 1)
            # Never the query: old clients carry tokens in it.
            fields = {"method": head.method, "path": head.path, "status": answer.status, "ms": spent_ms, "peer": peer}
            requests_log.info("request", extra={"action": "request", **fields})
        return answer

    def _safely(self, head: Head, body: Body, peer: str) -> Answer:
        try:
            return self._answer(head, body, peer)
        except Refused as refused:
            return refusal(refused, self._room(head.path), head.path)
        except CutOff:
            raise
        except Exception:
            logger.exception("The server failed on a request", extra={"action": "request_failed", "path": head.path})
            failed = Refused(502, "the farm failed on this request; its log says why", close=True)
            return refusal(failed, self._room(head.path), head.path)

    def _answer(self, head: Head, body: Body, peer: str) -> Answer:
        refused = self._guard(head.method, head.path, head.headers, peer) if self._guard is not None else None
        if refused is not None:
            return json_answer(*refused, PROBLEM_TYPE if is_api(head.path) else JSON)
        if head.path.startswith(PREFIX):
            return self._door.answer(head, body)
        match = self._matched(head)
        with received(head, body, self._spool_folder) as payload:
            return self._gateway.call(match, head, payload, peer)

    def _matched(self, head: Head) -> Match:
        match = self._routes.match(head.path) or self._with_a_slash_too_many(head.path)
        if match is None:
            raise Refused(404, NO_INTERFACE)
        methods = self._methods[match.pattern]
        if head.method not in methods:
            allowed = allow_header(methods)
            raise Refused(405, f"this URL knows {allowed}, not {head.method[:20]}", headers={"Allow": allowed})
        return match

    def _with_a_slash_too_many(self, path: str) -> Match | None:
        """What the path without the slash means, if its room sends such calls there."""
        match = self._routes.match(path[:-1]) if path.endswith("/") else None
        room = self._rooms.get(match.pattern) if match is not None else None
        return match if room is not None and room.slash_status is not None else None

    def _room(self, path: str) -> Room | None:
        """Several protocols share the root: a path is the room's that has the nearest route, if it is one room's."""
        match = self._routes.match(path)
        found = {self._rooms.get(pattern) for pattern in ([match.pattern] if match else self._routes.nearest(path))}
        return found.pop() if len(found) == 1 else None
