"""Replays recorded exchanges (`tests/contract/<dialect>/*.json`) against a farm, in process or over HTTP.

A recording is `{"name", "source", "steps": [{"request", "response"}, ...]}`. In requests and answers a string that
starts with `$` stands for a value of the farm's own choice: the first answer that has it binds it, and from then on it
is that value, in paths too (`/job/$job`). `$any` is never bound. Objects must have exactly the recorded keys, in the
recorded order, since these are the bytes that clients were written for.

    request:  method, path, headers, basic [user, password], and one of json, body (text), multipart {part name: text}
    response: status, headers (each compared as a whole), and one of json, body (text)

By hand, on a farm where nobody else uses the runtime lua54:
`python -m tests.contract.replay http://127.0.0.1:8000 tests/contract/pleiades/*.json`
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import requests
from chalice import Chalice
from chalice.config import Config
from chalice.local import LocalGateway

ANYTHING = "$any"
_NAME = re.compile(r"\$[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


class Transport(Protocol):
    def send(self, request: requests.PreparedRequest) -> Answer: ...


class InProcess:
    """Calls a Chalice app as `chalice local` does."""

    def __init__(self, app: Chalice) -> None:
        self._gateway = LocalGateway(app, Config())

    def send(self, request: requests.PreparedRequest) -> Answer:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        result = self._gateway.handle_request(request.method, request.path_url, headers, body)
        content = result["body"]
        content = content.encode() if isinstance(content, str) else bytes(content)
        content = base64.b64decode(content) if result.get("isBase64Encoded") else content
        return Answer(result["statusCode"], {n.lower(): v for n, v in result["headers"].items()}, content)


class OverHttp:
    """Calls whatever listens there."""

    def __init__(self) -> None:
        self._session = requests.Session()

    def send(self, request: requests.PreparedRequest) -> Answer:
        with self._session.send(request, allow_redirects=False, timeout=40) as found:
            return Answer(found.status_code, {n.lower(): v for n, v in found.headers.items()}, found.content)

    def close(self) -> None:
        self._session.close()


class Differs(AssertionError):
    """The farm answered something else than what was recorded."""


def check_recording(recording: Mapping[str, Any], transport: Transport, base_url: str = "http://farm") -> None:
    """Raises Differs, which names the step and what is different there."""
    bound: dict[str, Any] = {}
    for number, step in enumerate(recording["steps"], start=1):
        request = _filled(step["request"], bound)
        answer = transport.send(_prepared(request, base_url))
        where = f"{recording['name']}, step {number} ({request['method']} {request['path']})"
        _compare(step["response"], answer, bound, where)


def _prepared(request: Mapping[str, Any], base_url: str) -> requests.PreparedRequest:
    files = {part: ("data", text.encode()) for part, text in request.get("multipart", {}).items()}
    body = request["body"].encode() if "body" in request else None
    made = requests.Request(
        request["method"],
        base_url + request["path"],
        headers=request.get("headers"),
        json=request.get("json"),
        data=body,
        files=files or None,
        auth=tuple(request["basic"]) if "basic" in request else None,
    )
    return made.prepare()


def _filled(value: Any, bound: Mapping[str, Any]) -> Any:
    """The request with what is bound in place of the names."""
    if isinstance(value, dict):
        return {name: _filled(part, bound) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, bound) for part in value]
    if isinstance(value, str):
        return _NAME.sub(lambda name: str(bound.get(name[0], name[0])), value)
    return value


def _compare(recorded: Mapping[str, Any], answer: Answer, bound: dict[str, Any], where: str) -> None:
    shown = answer.body[:300].decode(errors="replace")
    if answer.status != recorded["status"]:
        raise Differs(f"{where}: status {answer.status} instead of {recorded['status']}: {shown}")
    for name, value in recorded.get("headers", {}).items():
        if answer.headers.get(name.lower()) != (value := _filled(value, bound)):
            raise Differs(f"{where}: header {name} is {answer.headers.get(name.lower())!r} instead of {value!r}")
    if "body" in recorded and answer.body != (body := _filled(recorded["body"], bound)).encode():
        raise Differs(f"{where}: the body is {shown!r} instead of {body!r}")
    if "json" in recorded:
        _match(recorded["json"], json.loads(answer.body), bound, where)


def _match(recorded: Any, found: Any, bound: dict[str, Any], where: str) -> None:
    if isinstance(recorded, str) and _NAME.fullmatch(recorded):
        if recorded != ANYTHING and bound.setdefault(recorded, found) != found:
            raise Differs(f"{where}: {recorded} was {bound[recorded]!r} and is {found!r} here")
    elif isinstance(recorded, dict) and isinstance(found, dict):
        if list(recorded) != list(found):
            raise Differs(f"{where}: keys {list(found)} instead of {list(recorded)}")
        for name in recorded:
            _match(recorded[name], found[name], bound, f"{where}.{name}")
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for position, (one, other) in enumerate(zip(recorded, found, strict=True)):
            _match(one, other, bound, f"{where}[{position}]")
    elif (recorded := _filled(recorded, bound)) != found or type(recorded) is not type(found):
        raise Differs(f"{where}: {found!r} instead of {recorded!r}")


def main(base_url: str, *files: str) -> int:
    transport, different = OverHttp(), 0
    for file in files:
        recording = json.loads(Path(file).read_text())
        try:
            check_recording(recording, transport, base_url.rstrip("/"))
            print(f"same       {recording['name']}")
        except Differs as difference:
            different += 1
            print(f"different  {difference}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
