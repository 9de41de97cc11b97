"""The order in which a request meets the farm: guard, object door or route, a look at the line, body, a place, app.

Everything that can be refused is refused before the body is read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from chalice.app import Chalice

from chalicelib.core.ports import Clock, TableUnavailable
from chalicelib.edge import request_ids
from chalicelib.edge.log_lines import REQUESTS
from chalicelib.edge.paths import NotHere, Paths
from chalicelib.edge.refusals import PROBLEM_TYPE, is_api
from chalicelib.edge.routing import Match
from chalicelib.edge.urgency import urgency_of
from chalicelib.embedded.admission import Gate
from chalicelib.embedded.answers import JSON, Answer, json_answer, refusal
from chalicelib.embedded.gateway import Gateway
from chalicelib.embedded.http1 import Head, Refused
from chalicelib.embedded.incoming import Body, CutOff
from chalicelib.embedded.object_door import ObjectDoor
from chalicelib.embedded.spool import received
from chalicelib.store.files import FileObjectStore
from chalicelib.store.signing import PREFIX

logger = logging.getLogger(__name__)
requests_log = logging.getLogger(REQUESTS)

Guard = Callable[[str, str, Mapping[str, str], str], tuple[int, Mapping[str, Any]] | None]
"""(method, path, headers in lower case, peer address) -> None, or the status and JSON body of a refusal."""


Together = Callable[[], AbstractContextManager[None]]


class Service:
    """Answers requests. Shared by all connections; keeps nothing between requests."""

    def __init__(
        self,
        app: Chalice,
        objects: FileObjectStore,
        *,
        clock: Clock,
        spool_folder: Path,
        guard: Guard | None,
        together: Together = nullcontext,
    ) -> None:
        """`together`: around each call of the app; what the call has written is durable when this is over."""
        self._paths = Paths(app)
        self._gateway = Gateway(app, objects)
        self._door = ObjectDoor(objects, clock)
        self._spool_folder = spool_folder
        self._guard = guard
        self._together = together
        self._gate = Gate()

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
            return refusal(refused, self._paths.room(head.path), head.path)
        except CutOff:
            raise
        except Exception:
            logger.exception("The server failed on a request", extra={"action": "request_failed", "path": head.path})
            failed = Refused(502, "the farm failed on this request; its log says why", close=True)
            return refusal(failed, self._paths.room(head.path), head.path)

    def _answer(self, head: Head, body: Body, peer: str) -> Answer:
        refused = self._guard(head.method, head.path, head.headers, peer) if self._guard is not None else None
        if refused is not None:
            return json_answer(*refused, PROBLEM_TYPE if is_api(head.path) else JSON)
        if head.path.startswith(PREFIX):
            return self._door.answer(head, body)
        match = self._matched(head)
        urgency = urgency_of(head.method, match.pattern, head.headers)
        self._gate.look(urgency)
        # Objects need no place: their bytes cost little, and take as long as their client pleases. Nor does the wait
        # for the disk, at the end of `together`: one sync serves all who wait for it, and on a slow disk they are many.
        with received(head, body, self._spool_folder) as payload:
            try:
                with self._together(), self._gate.place(urgency):
                    return self._gateway.call(match, head, payload, peer)
            except TableUnavailable as error:
                raise Refused(503, str(error), headers={"Retry-After": "5"}) from error

    def _matched(self, head: Head) -> Match:
        found = self._paths.find(head.method, head.path)
        if isinstance(found, NotHere):
            raise Refused(found.status, found.message, headers=dict(found.headers))
        return found
