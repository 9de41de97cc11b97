"""The Chalice app as Lambda calls it, from API Gateway or from a function URL: the same words and routes as anywhere.

It finds the route itself, so that API Gateway needs to know none of them (the stack declares one path for all): what
means nothing is answered as by the embedded server, and both doors take the same way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from chalice import Chalice

from ..rooms import Later
from . import current, request_ids
from .http import Reply, json_reply, response_of
from .lambda_events import Incoming, answer, as_viewer_sent_it, for_chalice, incoming, is_vouched_for
from .log_lines import REQUESTS
from .paths import NotHere, Paths
from .refusals import refusal

log = logging.getLogger(__name__)
requests_log = logging.getLogger(REQUESTS)


class LambdaApp(Chalice):
    _later: Later | None = None

    def register_later(self, later: Later) -> None:
        """Each of these rooms when its first request comes. Called once, before any request."""
        self._later = later

    @cached_property
    def paths(self) -> Paths:
        return Paths(self, self._later)

    def __call__(self, event: Any, context: Any) -> Any:
        request = incoming(event)
        if request is None:
            return super().__call__(event, context)
        secret = current.settings().edge_secret
        vouched_for = is_vouched_for(request, secret)
        request = as_viewer_sent_it(request, vouched_for=vouched_for)
        began = time.monotonic()
        with request_ids.serving(request.headers.get(request_ids.HEADER)):
            if request.by_function_url and secret is not None and not vouched_for:
                no = NotHere(403, "this farm is reached by its own URL, not by its function's")
                result = self._refused(request, no)
            else:
                result = self._called(request, context)
            _tell(request, result["statusCode"], time.monotonic() - began)
        return answer(result, by_function_url=request.by_function_url)

    def _called(self, request: Incoming, context: Any) -> Mapping[str, Any]:
        found = self.paths.find(request.method, request.path)
        if isinstance(found, NotHere):
            return self._refused(request, found)
        try:
            result: Mapping[str, Any] = super().__call__(for_chalice(request, found.pattern, found.parameters), context)
            return result
        except Exception:
            about = {"action": "request_failed", "method": request.method, "pattern": found.pattern}
            log.exception("The app failed on a request", extra=about)
            return self._refused(request, NotHere(502, "the farm failed on this request; its log says why"))

    def _refused(self, request: Incoming, no: NotHere) -> Mapping[str, Any]:
        """In the words of the room that the path belongs to, or in the farm's."""
        room = self.paths.room(request.path)
        if room is not None:
            reply = room.refuse(no.status, no.message)
        else:
            kind, body = refusal(request.path, no.status, no.message)
            reply = Reply(no.status, json_reply(body).body, kind)
        response = response_of(Reply(reply.status, reply.body, reply.content_type, {**no.headers, **reply.headers}))
        result: Mapping[str, Any] = response.to_dict(self.api.binary_types)
        return result


def _tell(request: Incoming, status: int, spent_seconds: float) -> None:
    """Never the query: old clients carry tokens in it. A worker that asked in vain is not worth what its line costs."""
    if requests_log.isEnabledFor(logging.INFO) and (status >= 400 or request_ids.has_lines()):
        ms = round(spent_seconds * 1000, 1)
        fields = {"method": request.method, "path": request.path, "status": status, "ms": ms, "peer": request.peer}
        requests_log.info("request", extra={"action": "request", **fields})
