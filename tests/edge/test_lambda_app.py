"""Calls as API Gateway (payload 1.0) and a function URL (2.0) send them, and answers as both take them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from app import app
from chalicelib.core import blobs
from chalicelib.edge import http
from tests.api.bench import Bench, served

EVENTS = Path(__file__).resolve().parents[1] / "events"
SECRET = "what CloudFront shows"
EVERYTHING = bytes(range(256))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    was_base64: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Call = Callable[..., Answer]


def by_gateway(method: str, path: str, headers: dict[str, str], query: str, body: bytes | None) -> Any:
    event = json.loads((EVENTS / "gateway.json").read_text())
    event.update(path=path, httpMethod=method, pathParameters={"proxy": path[1:]})
    event["requestContext"].update(path="/api" + path, httpMethod=method)
    event["headers"].update(headers)
    if query:
        event["multiValueQueryStringParameters"] = parse_qs(query, keep_blank_values=True)
    if body is not None:
        event.update(body=base64.b64encode(body).decode(), isBase64Encoded=True)
    return event


def by_function_url(method: str, path: str, headers: dict[str, str], query: str, body: bytes | None) -> Any:
    event = json.loads((EVENTS / "function_url.json").read_text())
    event.update(rawPath=path, rawQueryString=query)
    event["requestContext"]["http"].update(method=method, path=path)
    event["headers"].update({name.lower(): value for name, value in headers.items()})
    if body is not None:
        event.update(body=base64.b64encode(body).decode(), isBase64Encoded=True)
    return event


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path) as bench:
        bench.serve(auth="token", delivery="redirect")
        yield bench


@pytest.fixture(params=[by_gateway, by_function_url])
def call(request: pytest.FixtureRequest, bench: Bench) -> Call:
    def send(method: str, path: str, *, query: str = "", body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        result = json.loads(json.dumps(app(request.param(method, path, named, query, body), None)))
        text, encoded = result["body"], result["isBase64Encoded"]
        several = {name: ", ".join(values) for name, values in result.get("multiValueHeaders", {}).items()}
        data = base64.b64decode(text) if encoded else text.encode()
        return Answer(result["statusCode"], {**result["headers"], **several}, data, encoded)

    return send


@pytest.fixture
def token(bench: Bench) -> str:
    return f"Bearer {bench.token('admin')}"


def test_a_program_that_says_nothing_of_what_it_accepts_gets_json_as_text(call: Call) -> None:
    answer = call("GET", "/api/v1/farm")
    assert (answer.status, answer.json["name"], answer.was_base64) == (200, "Millrace", False)
    assert answer.headers["Content-Type"] == "application/json"


def test_the_front_page_is_text_for_browsers(call: Call) -> None:
    answer = call("GET", "/", Accept="text/html,*/*;q=0.8")
    assert answer.body.startswith(b"<!doctype html>") and not answer.was_base64


def test_a_json_body_comes_in_whichever_way_it_was_packed(call: Call, token: str) -> None:
    made = call(
        "POST", "/api/v1/tokens", body=b'{"name": "Gr\xc3\xb6\xc3\x9fe", "scopes": ["submit"]}', Authorization=token
    )
    assert (made.status, made.json["name"]) == (201, "Größe")


def test_bytes_of_any_kind_go_out_unharmed(call: Call, bench: Bench, token: str) -> None:
    blob = blobs.store_bytes(bench.farm, EVERYTHING)
    answer = call("GET", f"/api/v1/blobs/{blob.id}/content", Authorization=token)
    assert (answer.status, answer.body, answer.was_base64) == (200, EVERYTHING, True)


def test_bytes_of_any_kind_come_in_unharmed(call: Call, bench: Bench) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + EVERYTHING + b"\r\n--x--\r\n"
    bench.serve(auth="open")
    headers = {"Content_Type": "multipart/form-data; boundary=x", "Host": "localhost"}
    made = call("POST", "/data", body=form, **headers)
    assert made.status in (200, 201), made.body
    [blob_id] = [value for value in made.json.values() if isinstance(value, int | str) and str(value).isdigit()][-1:]
    got = call("GET", f"/data/{blob_id}/blob", Host="localhost")
    assert got.body == EVERYTHING


def test_no_content_has_none(call: Call, bench: Bench, token: str) -> None:
    job = bench.job()
    call("POST", f"/api/v1/jobs/{job.id}/cancel", Authorization=token)
    gone = call("DELETE", f"/api/v1/jobs/{job.id}", Authorization=token)
    assert (gone.status, gone.body) == (204, b"")


def test_a_query_is_read_with_its_blanks_and_escapes(call: Call, bench: Bench, token: str) -> None:
    for number in range(3):
        bench.job(name=f"job {number}")
    page = call("GET", "/api/v1/jobs", query="limit=2&status=queued", Authorization=token)
    assert len(page.json["items"]) == 2
    assert call("GET", "/api/v1/jobs", query="limit=%31", Authorization=token).json["items"][0]["name"] == "job 2"


@pytest.mark.parametrize(
    "method, path, status, kind",
    [
        ("GET", "/api/v1/nothing", 404, "application/problem+json"),
        ("GET", "/nothing", 404, "application/json"),
        ("PUT", "/api/v1/farm", 405, "application/problem+json"),
        ("GET", "/worker//contract", 404, "application/json"),
    ],
)
def test_what_means_nothing_is_answered_as_everywhere(
    call: Call, method: str, path: str, status: int, kind: str
) -> None:
    answer = call(method, path)
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (status, kind)
    assert ("Allow" in answer.headers) == (status == 405)


def test_who_is_nobody_is_told_so(call: Call) -> None:
    answer = call("GET", "/api/v1/jobs")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="millrace"')


def test_what_the_distribution_vouches_for_is_believed_and_nobody_elses_word(
    call: Call, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []

    def look(raw: Any) -> Any:
        request = original(raw)
        seen.append((request.headers["host"], request.peer))
        assert not [name for name in request.headers if name.startswith("x-millrace")]
        return request

    original = http._request
    monkeypatch.setattr(http, "_request", look)
    told = {"X_Millrace_Host": "farm.example.com", "X_Millrace_Peer": "203.0.113.9"}
    call("GET", "/api/v1/farm", **told)  # no distribution: nobody is believed
    bench.serve(edge_secret=SECRET)
    call("GET", "/api/v1/farm", X_Millrace_Edge="a guess", **told)
    assert {peer for _, peer in seen} == {"198.51.100.7"}
    call("GET", "/api/v1/farm", X_Millrace_Edge=SECRET, **told)
    assert seen[-1] == ("farm.example.com", "203.0.113.9")


def test_a_functions_own_url_is_for_the_distribution_alone(bench: Bench) -> None:
    bench.serve(edge_secret=SECRET)
    refused = app(by_function_url("GET", "/api/v1/farm", {}, "", None), None)
    assert (refused["statusCode"], json.loads(refused["body"])["status"]) == (403, 403)
    taken = app(by_function_url("GET", "/api/v1/farm", {"X-Millrace-Edge": SECRET}, "", None), None)
    assert taken["statusCode"] == 200
    assert app(by_gateway("GET", "/api/v1/farm", {}, "", None), None)["statusCode"] == 200


def test_a_failure_of_the_app_is_an_answer(call: Call, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr("chalicelib.edge.http.response_of", broken)
    assert call("GET", "/api/v1/farm").status in (500, 502)
