"""Requests and answers over real sockets."""

from __future__ import annotations

import gc
import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from chalicelib.embedded.server import EmbeddedServer
from tests.embedded.conftest import Wire

HOST = b"Host: localhost\r\n"


@pytest.fixture
def session(server: EmbeddedServer):
    with requests.Session() as session:
        yield session


def test_a_view_sees_the_request_as_behind_api_gateway(server: EmbeddedServer, session: requests.Session) -> None:
    answer = session.get(f"{server.url}/worker/a%2Fb%20c/contract?x=1&x=2&y=", headers={"Accept": "text/x"})
    assert answer.json() == {
        "id": "a%2Fb%20c",
        "method": "GET",
        "query": {"x": ["1", "2"], "y": [""]},
        "peer": "127.0.0.1",
        "path": "/worker/a%2Fb%20c/contract",
        "accept": "text/x",
    }
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/worker/",
        "//worker",
        "/worker//contract",
        "/worker/1/",
        "/worker/1/contract/",
        "/Worker",
        "/objects",
        "/%77orker",
    ],
)
def test_an_unknown_path_is_404_in_the_words_of_the_old_protocol(server: EmbeddedServer, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for method in ("GET", "POST"):
        connection.request(method, path, body=b"{}" if method == "POST" else None)
        answer = connection.getresponse()
        assert answer.status == 404
        assert json.loads(answer.read()) == {"code": 404, "status": "error", "message": "No interface defined for URL"}
        assert answer.headers["Content-Type"] == "application/json"
    connection.close()


def test_below_the_farms_own_api_a_refusal_is_a_problem_document(app, objects) -> None:
    def guard(method, path, headers, peer):
        return (403, {"status": 403}) if path.endswith("guarded") else None

    server = EmbeddedServer(app, objects, guard=guard)
    server.start()
    try:
        unknown = requests.get(f"{server.url}/api/v1/nowhere", timeout=10)
        assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "application/problem+json")
        assert unknown.json()["detail"] == "No interface defined for URL"
        guarded = requests.get(f"{server.url}/api/v1/guarded", timeout=10)
        assert (guarded.status_code, guarded.headers["Content-Type"]) == (403, "application/problem+json")
    finally:
        server.stop()


def test_a_method_the_path_does_not_know_is_405_with_allow(server: EmbeddedServer, session: requests.Session) -> None:
    answer = session.delete(f"{server.url}/worker/1/contract")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert answer.json()["code"] == 405


def test_head_has_the_length_and_no_body_and_the_connection_goes_on(wire: Wire) -> None:
    wire.send(b"HEAD /worker/1/contract HTTP/1.1\r\n" + HOST + b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n")
    status, headers, _ = wire.answer(has_body=False)
    assert status == 200
    assert int(headers["content-length"]) > 10
    assert wire.answer()[2] == b'{"message":"hello"}'


@pytest.mark.parametrize("path", [b"/nothing", b"/none"])
def test_204_has_neither_body_nor_length_and_the_connection_goes_on(wire: Wire, path: bytes) -> None:
    wire.send(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n")
    status, headers, _ = wire.answer()
    assert status == 204
    assert "content-length" not in headers
    assert wire.answer()[2] == b'{"message":"hello"}'


@pytest.mark.parametrize("path", ["/crash", "/boom", "/text-as-binary", "/bad-header"])
def test_a_failing_view_is_a_json_error_and_the_connection_goes_on(
    server: EmbeddedServer, session: requests.Session, path: str
) -> None:
    answer = session.get(server.url + path, headers={"Accept": "*/*"})
    assert answer.status_code in (500, 502)
    assert isinstance(answer.json(), dict)
    assert session.get(server.url).json() == {"message": "hello"}


def test_what_chalice_lets_through_is_502(server: EmbeddedServer) -> None:
    answer = requests.get(f"{server.url}/text-as-binary", headers={"Accept": "application/octet-stream"}, timeout=10)
    assert answer.status_code == 502
    assert answer.json()["code"] == 502


def test_repeated_headers_of_an_answer_are_kept_and_its_length_is_ours(server: EmbeddedServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/cookies")
    answer = connection.getresponse()
    assert answer.read() == b"{}"
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers.get_all("Content-Length") == ["2"]
    assert answer.headers.get_all("Content-Type") == ["text/x"]
    connection.close()


def test_each_thread_sees_its_own_request(server: EmbeddedServer) -> None:
    def ask(number: int) -> list[object]:
        answer: list[object] = requests.get(f"{server.url}/who/{number}", timeout=10).json()
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(80)))
    assert [answer[:2] for answer in answers] == [[str(number), str(number)] for number in range(80)]


def test_a_small_answer_does_not_wait_for_acknowledgements(wire: Wire) -> None:
    """Nagle's algorithm would hold it back for 40 ms and more."""
    wire.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    wire.answer()
    mine = wire.socket.getsockname()
    open_ones = [one for one in gc.get_objects() if isinstance(one, socket.socket) and one.fileno() != -1]
    [served] = [one for one in open_ones if peer_of(one) == mine]
    assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def peer_of(one: socket.socket) -> object:
    try:
        return one.getpeername()
    except OSError:
        return None


def test_requests_sent_before_the_answer_are_answered_in_turn(wire: Wire) -> None:
    wire.send(b"".join(b"GET /who/%d HTTP/1.1\r\n" % number + HOST + b"\r\n" for number in range(20)))
    assert [json.loads(wire.answer()[2])[0] for _ in range(20)] == [str(number) for number in range(20)]


def test_http_1_0_is_answered_and_closed(wire: Wire) -> None:
    wire.send(b"GET / HTTP/1.0\r\n\r\n")
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert wire.is_closed()


def test_a_client_that_wants_to_close_is_closed(wire: Wire) -> None:
    wire.send(b"GET / HTTP/1.1\r\nConnection: foo, Close\r\n" + HOST + b"\r\n")
    assert wire.answer()[0] == 200
    assert wire.is_closed()


@pytest.mark.parametrize("step", [1, 7])
def test_a_request_in_small_pieces_is_put_together(wire: Wire, step: int) -> None:
    request = b"POST /echo HTTP/1.1\r\nAccept: application/octet-stream\r\nContent-Length: 5\r\n" + HOST + b"\r\nhello"
    for start in range(0, len(request), step):
        wire.send(request[start : start + step])
    assert wire.answer()[2] == b"hello"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_a_malformed_request_is_refused_by_name_and_closed(wire: Wire, request_bytes: bytes, status: int) -> None:
    wire.send(request_bytes)
    answered, _, body = wire.answer()
    assert answered == status
    assert json.loads(body)["code"] == status
    assert json.loads(body)["message"]
    assert wire.is_closed()


def test_an_absolute_url_and_raw_utf8_are_understood(wire: Wire) -> None:
    wire.send(b"GET http://localhost/who/1?x HTTP/1.1\r\n" + HOST + b"\r\n")
    assert json.loads(wire.answer()[2])[0] == "1"
    wire.send("GET /worker/1/contract?n=é HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert json.loads(wire.answer()[2])["query"] == {"n": ["é"]}


def test_the_guard_is_asked_first_on_every_route(app, objects, clock) -> None:
    asked: list[tuple[str, str, str | None, str]] = []

    def guard(method, path, headers, peer):
        asked.append((method, path, headers.get("origin"), peer))
        return (403, {"code": 403, "message": "not from here"}) if "origin" in headers else None

    server = EmbeddedServer(app, objects, clock=clock, guard=guard)
    server.start()
    try:
        for path in ("/", "/nowhere", "/objects/x"):
            answer = requests.get(server.url + path, headers={"Origin": "http://evil"}, timeout=10)
            assert answer.status_code == 403
            assert answer.json() == {"code": 403, "message": "not from here"}
        assert requests.get(server.url, timeout=10).status_code == 200
    finally:
        server.stop()
    assert asked[:3] == [("GET", path, "http://evil", "127.0.0.1") for path in ("/", "/nowhere", "/objects/x")]


def test_more_connections_than_allowed_are_told_to_come_back(app, objects, clock) -> None:
    server = EmbeddedServer(app, objects, clock=clock, max_connections=1)
    server.start()
    first = Wire(server.port)
    first.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert first.answer()[0] == 200
    second = Wire(server.port)
    status, headers, _ = second.answer()
    assert (status, headers["retry-after"]) == (503, "5")
    first.close()
    second.close()
    server.stop()


def test_many_clients_at_once_are_all_answered(server: EmbeddedServer) -> None:
    wires = [Wire(server.port) for _ in range(200)]
    for number, wire in enumerate(wires):
        wire.send(b"GET /who/%d HTTP/1.1\r\n" % number + HOST + b"\r\n")
    assert [json.loads(wire.answer()[2])[0] for wire in wires] == [str(number) for number in range(200)]
    assert threading.active_count() > 200
    for wire in wires:
        wire.close()
