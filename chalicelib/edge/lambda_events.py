"""HTTP as Lambda gets it: from API Gateway (REST, payload 1.0) or a function URL (payload 2.0), and the answer back.

Pure. A request of either kind becomes `Incoming`; from there on nothing knows which door it came through.

The answer's text goes as text and only the rest as base64: API Gateway turns base64 into bytes only for requests with a
fitting Accept header, and many programs send none.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import Any
from urllib.parse import parse_qs

Event = Mapping[str, Any]

OURS = ("x-millrace-edge", "x-millrace-host", "x-millrace-peer")
"""What our function at CloudFront adds (infra/edge.yaml): the stack's secret, and the viewer's Host and address."""


@dataclass(frozen=True)
class Incoming:
    method: str
    path: str
    """As sent, without the stage."""
    headers: Mapping[str, str]
    """Lower-case names."""
    query: Mapping[str, list[str]]
    body: str
    is_base64: bool
    peer: str
    request_id: str
    by_function_url: bool


def incoming(event: Event) -> Incoming | None:
    """None for what neither door sends: events of other servers, which have them in Chalice's shape already."""
    if event.get("version") == "2.0":
        return _of_function_url(event)
    return _of_gateway(event) if "httpMethod" in event and "path" in event else None


def _of_gateway(event: Event) -> Incoming:
    context = event["requestContext"]
    return Incoming(
        method=event["httpMethod"],
        path=event["path"],
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        query=event.get("multiValueQueryStringParameters") or {},
        body=event.get("body") or "",
        is_base64=bool(event.get("isBase64Encoded")),
        peer=context.get("identity", {}).get("sourceIp", ""),
        request_id=context.get("requestId", ""),
        by_function_url=False,
    )


def _of_function_url(event: Event) -> Incoming:
    context = event["requestContext"]
    headers = {name.lower(): value for name, value in event["headers"].items()}
    if cookies := event.get("cookies"):
        headers["cookie"] = "; ".join(cookies)
    return Incoming(
        method=context["http"]["method"],
        path=event["rawPath"],
        headers=headers,
        query=parse_qs(event.get("rawQueryString", ""), keep_blank_values=True),
        body=event.get("body") or "",
        is_base64=bool(event.get("isBase64Encoded")),
        peer=context["http"].get("sourceIp", ""),
        request_id=context.get("requestId", ""),
        by_function_url=True,
    )


def is_vouched_for(request: Incoming, secret: str | None) -> bool:
    """Whether our own CloudFront distribution sent this."""
    return secret is not None and compare_digest(request.headers.get(OURS[0], "").encode(), secret.encode())


def as_viewer_sent_it(request: Incoming, *, vouched_for: bool) -> Incoming:
    """Under the name and from the address that our distribution tells; from anybody else those words are dropped."""
    headers = {name: value for name, value in request.headers.items() if name not in OURS}
    if not vouched_for:
        return replace(request, headers=headers)
    headers["host"] = request.headers.get("x-millrace-host") or headers.get("host", "")
    return replace(request, headers=headers, peer=request.headers.get("x-millrace-peer") or request.peer)


def for_chalice(request: Incoming, pattern: str, parameters: Mapping[str, str]) -> Event:
    return {
        "requestContext": {
            "httpMethod": request.method,
            "resourcePath": pattern,
            "identity": {"sourceIp": request.peer},
            "path": request.path,
            "requestId": request.request_id,
        },
        "headers": dict(request.headers),
        "pathParameters": dict(parameters),
        "multiValueQueryStringParameters": dict(request.query) or None,
        "stageVariables": {},
        "body": request.body,
        "isBase64Encoded": request.is_base64,
    }


def answer(result: Mapping[str, Any], *, by_function_url: bool) -> dict[str, Any]:
    """Chalice's result as the door takes it. Payload 2.0 has one value per header."""
    body, is_base64 = _as_text(result)
    headers = dict(result["headers"])
    given = {"statusCode": result["statusCode"], "body": body, "isBase64Encoded": is_base64}
    several = result.get("multiValueHeaders") or {}
    if not by_function_url:
        return {**given, "headers": headers, "multiValueHeaders": several}
    cookies = [value for name, values in several.items() if name.lower() == "set-cookie" for value in values]
    joined = {name: ", ".join(values) for name, values in several.items() if name.lower() != "set-cookie"}
    return {**given, "headers": headers | joined, **({"cookies": cookies} if cookies else {})}


def _as_text(result: Mapping[str, Any]) -> tuple[str, bool]:
    body, is_base64 = result["body"], bool(result.get("isBase64Encoded"))
    if not is_base64 or not _is_textual(result["headers"]):
        return body, is_base64
    try:
        return base64.b64decode(body).decode(), False
    except UnicodeDecodeError:
        return body, True


def _is_textual(headers: Mapping[str, str]) -> bool:
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    plain = kind.partition(";")[0].strip().lower()
    return plain.startswith("text/") or plain == "application/json" or plain.endswith("+json")
