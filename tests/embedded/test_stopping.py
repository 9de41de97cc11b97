"""How the server ends: what runs may finish, what waits is woken, what hangs is cut."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from chalicelib.embedded import incoming
from chalicelib.embedded.server import EmbeddedServer
from tests.embedded.conftest import Gate, Wire


def test_a_running_request_ends_and_new_ones_find_nobody(server: EmbeddedServer, gate: Gate) -> None:
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(requests.get, f"{server.url}/wait", timeout=20)
        assert gate.entered.wait(10)
        url = server.url
        stopping = pool.submit(server.stop)
        refused = _until_refused(url)
        gate.opened.set()
        answer = waiting.result(10)
        stopping.result(10)
    assert refused
    assert answer.json() == {"opened": True}
    assert answer.headers["Connection"] == "close"


def _until_refused(url: str) -> bool:
    for _ in range(500):
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            return True
    return False


def test_what_waits_is_woken(app: Any, objects: Any, gate: Gate) -> None:
    server = EmbeddedServer(app, objects, on_stop=[gate.opened.set])
    server.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(requests.get, f"{server.url}/wait", timeout=20)
        assert gate.entered.wait(10)
        started = time.monotonic()
        server.stop()
        assert waiting.result(10).json() == {"opened": True}
    assert time.monotonic() - started < 5


def test_idle_connections_do_not_hold_the_server(server: EmbeddedServer) -> None:
    wires = [Wire(server.port) for _ in range(5)]
    for wire in wires:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.answer()
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 5
    for wire in wires:
        assert wire.is_closed()
        wire.close()


def test_a_request_that_hangs_is_cut(server: EmbeddedServer, gate: Gate) -> None:
    wire = Wire(server.port)
    wire.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    assert gate.entered.wait(10)
    started = time.monotonic()
    server.stop(seconds=0.2)
    assert time.monotonic() - started < 5
    assert wire.is_closed()
    wire.close()
    gate.opened.set()


def test_stopping_twice_and_before_the_start_is_harmless(app: Any, objects: Any, server: EmbeddedServer) -> None:
    EmbeddedServer(app, objects).stop()
    wire = Wire(server.port)
    wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    wire.answer()  # the other, which never started, has taken nothing from this one
    server.stop()
    server.stop()
    assert wire.is_closed()
    wire.close()


def test_no_thread_is_left(app: Any, objects: Any) -> None:
    before = set(threading.enumerate())
    server = EmbeddedServer(app, objects)
    server.start()
    with requests.Session() as session:
        session.get(server.url)
    server.stop()
    assert set(threading.enumerate()) - before == set()


@pytest.mark.parametrize("sent", [b"GET / HT", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"])
def test_a_client_that_stalls_is_let_go(wire: Wire, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(incoming, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(incoming, "BODY_SECONDS", 0.2)
    wire.send(sent)
    assert wire.is_closed()


def test_a_client_that_drips_a_head_is_let_go_all_the_same(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "HEAD_SECONDS", 0.3)
    wire.send(b"GET / HTTP/1.1\r\nX: ")
    started = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - started < 10:
            wire.send(b"x")
            threading.Event().wait(0.02)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
def test_a_client_that_drips_a_body_is_let_go_all_the_same(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, framing: bytes
) -> None:
    monkeypatch.setattr(incoming, "BODY_SECONDS", 0.3)
    wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n")
    drop = b"1\r\nx\r\n" if b"chunked" in framing else b"x"
    started = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - started < 10:
            wire.send(drop)
            threading.Event().wait(0.02)
    assert time.monotonic() - started < 8


def test_a_port_that_is_taken_is_an_error_at_the_start(app: Any, objects: Any, server: EmbeddedServer) -> None:
    with pytest.raises(OSError, match="in use"):
        EmbeddedServer(app, objects, port=server.port).start()


def test_the_url_names_the_address(app: Any, objects: Any) -> None:
    server = EmbeddedServer(app, objects, host="::1")
    try:
        server.start()
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        assert server.url == f"http://[::1]:{server.port}"
        assert requests.get(server.url, timeout=10).status_code == 200
    finally:
        server.stop()
