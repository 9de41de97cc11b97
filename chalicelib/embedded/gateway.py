"""What API Gateway does in AWS: an HTTP request to an event, the app called with it, its result to an answer.

The event has what Chalice reads, plus `requestContext.spool` for large bodies (`spool.py`). An exception that Chalice
lets through becomes 502, as Lambda's failures do behind API Gateway; the thread and its connection live on.
"""

from __future__ import annotations

import base64
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Chalice, Request

from chalicelib.edge.routing import Match
from chalicelib.embedded.answers import CONTENT_TYPE, JSON, Answer, file_answer
from chalicelib.embedded.http1 import Head, Refused
from chalicelib.embedded.spool import Payload
from chalicelib.store.files import FileObjectStore

logger = logging.getLogger(__name__)

OBJECT_HEADER = "x-millrace-object"
"""A view answers with this header and an object's key; the server sends that object's bytes in place of the body."""
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "date", OBJECT_HEADER})


class _PerThread(Chalice):
    """Chalice keeps the current request on the app, for Lambda runs one at a time. Here each thread has its own."""

    _of_thread = threading.local()

    @property
    def current_request(self) -> Request | None:
        return getattr(self._of_thread, "current_request", None)

    @current_request.setter
    def current_request(self, value: Request | None) -> None:
        self._of_thread.current_request = value

    @property
    def lambda_context(self) -> Any:
        return getattr(self._of_thread, "lambda_context", None)

    @lambda_context.setter
    def lambda_context(self, value: Any) -> None:
        self._of_thread.lambda_context = value


def made_threadsafe(app: Chalice) -> Chalice:
    """The same app object, whose current request is the calling thread's. Chalice's own local server does likewise."""
    if not isinstance(app, _PerThread):
        app.__class__ = type("ThreadsafeChalice", (_PerThread, app.__class__), {})
    return app


class InvocationContext:
    """The part of Lambda's context object that an app may look at."""

    function_name = "millrace-embedded"
    function_version = "$LATEST"
    invoked_function_arn = ""
    memory_limit_in_mb = 0
    log_group_name = log_stream_name = ""
    identity = client_context = None

    def __init__(self) -> None:
        self.aws_request_id = secrets.token_hex(16)
        self._ends_at = time.monotonic() + 900

    def get_remaining_time_in_millis(self) -> float:
        return (self._ends_at - time.monotonic()) * 1000


class Gateway:
    """Calls one Chalice app from many threads."""

    def __init__(self, app: Chalice, objects: FileObjectStore) -> None:
        self._app = made_threadsafe(app)
        self._objects = objects

    def call(self, match: Match, head: Head, payload: Payload, peer: str) -> Answer:
        context = InvocationContext()
        event = _event(match, head, payload, peer, context.aws_request_id)
        try:
            result = self._app(event, context)
            return self._answer(result, head)
        except Refused:
            raise
        except Exception as error:
            logger.exception(
                "The app failed on a request",
                extra={"action": "request_failed", "method": head.method, "pattern": match.pattern},
            )
            raise Refused(502, "the farm failed on this request; its log says why") from error
        finally:
            # The threads of two thousand idle connections would keep as many requests, for Python to look through.
            self._app.current_request = None
            self._app.lambda_context = None  # type: ignore[assignment]  # as before its first request

    def _answer(self, result: Mapping[str, Any], head: Head) -> Answer:
        pairs = tuple(_header_pairs(result))
        for name, value in pairs:
            _check_header(name, value)
        headers = tuple((name, value) for name, value in pairs if name.lower() not in _OURS)
        keys = [value for name, value in pairs if name.lower() == OBJECT_HEADER]
        if keys:
            return self._object(keys[0], headers, head)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers = ((CONTENT_TYPE, JSON), *headers)
        return Answer(result["statusCode"], headers, _body(result))

    def _object(self, key: str, headers: tuple[tuple[str, str], ...], head: Head) -> Answer:
        file = self._objects.open_file(key)
        if file is None:
            raise Refused(404, "the bytes of this object are not there")
        return file_answer(file, os.fstat(file.fileno()).st_size, headers, head.headers)


def _event(match: Match, head: Head, payload: Payload, peer: str, request_id: str) -> dict[str, Any]:
    context: dict[str, Any] = {
        "httpMethod": head.method,
        "resourcePath": match.pattern,
        "identity": {"sourceIp": peer},
        "path": head.path,
        "requestId": request_id,
    }
    if payload.path is not None:
        context["spool"] = payload.as_context()
    return {
        "requestContext": context,
        "headers": dict(head.headers),
        "pathParameters": match.parameters,
        # API Gateway sends None, not an empty mapping, when there is no query.
        "multiValueQueryStringParameters": parse_qs(head.query, keep_blank_values=True) if head.query else None,
        "stageVariables": {},
        "body": payload.data,
        "isBase64Encoded": False,
    }


def _header_pairs(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from result["headers"].items()
    for name, values in result["multiValueHeaders"].items():
        for value in values:
            yield name, value


def _check_header(name: str, value: str) -> None:
    """Raises ValueError. Chalice looks for one kind of line break only."""
    text = name + value
    if "\n" in text or "\r" in text or not text.isascii():
        raise ValueError(f"the view answered with a header that cannot be sent: {name!r}: {value!r}")


def _body(result: Mapping[str, Any]) -> bytes:
    body = result["body"]
    if isinstance(body, str):
        body = body.encode()
    return base64.b64decode(body) if result.get("isBase64Encoded") else bytes(body)
