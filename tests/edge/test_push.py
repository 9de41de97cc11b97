"""Calling out: what may be called, and that a peer that was called can do no harm."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chalicelib.config import BadSettings, settings_from
from chalicelib.edge import current
from chalicelib.edge.networks import LOOPBACK
from chalicelib.edge.push import LARGEST_ANSWER_BYTES, Pusher, PushFailed, PushRefused
from chalicelib.embedded.serving import _options, _settings
from tests.api.bench import Bench

EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class Peer:
    """A listener on loopback that sends whatever bytes a test wants, and remembers what it was asked."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65536))
                try:
                    self._talk(connection)
                except OSError:
                    pass  # the caller has gone

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def peer(answer: bytes | Callable[[socket.socket], None]) -> Iterator[Peer]:
    made = Peer(answer if callable(answer) else lambda connection: connection.sendall(answer))
    try:
        yield made
    finally:
        made.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: small\r\n\r\n{}"


def test_a_worker_on_loopback_is_called_and_its_answer_comes_back() -> None:
    with peer(OK) as worker:
        url = f"http://127.0.0.1:{worker.port}/worker/add_task?x=1"
        answer = Pusher(LOOPBACK).send(url, "POST", {"Content-Type": "application/json"}, b'{"type":0}')
    assert (answer.status, answer.headers["x-kind"], answer.body) == (200, "small", b"{}")
    head = worker.requests[0].decode().lower()
    assert head.startswith("post /worker/add_task?x=1 http/1.1\r\n")
    assert f"host: 127.0.0.1:{worker.port}\r\n" in head and "authorization" not in head


def test_the_name_is_resolved_once_and_kept_in_the_host_header() -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        """Harmless when it is checked, somebody's router afterwards."""
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.168.1.1"]

    with peer(OK) as worker:
        answer = Pusher(LOOPBACK, resolver=rebinding).send(f"http://w7.example:{worker.port}/", "POST", {})
    assert answer.status == 200
    assert asked == ["w7.example"]
    assert f"host: w7.example:{worker.port}\r\n" in worker.requests[0].decode().lower()


def test_of_several_addresses_only_an_allowed_one_is_called() -> None:
    with peer(OK) as worker:
        both = Pusher(LOOPBACK, resolver=lambda host, port: ["169.254.169.254", "10.0.0.1", "127.0.0.1"])
        assert both.send(f"http://w7.example:{worker.port}/", "POST", {}).status == 200


def test_of_several_allowed_addresses_the_first_that_takes_the_connection_is_spoken_to() -> None:
    with peer(OK) as worker:
        asked: list[str] = []

        def dual(host: str, port: int) -> list[str]:
            """The worker listens on the last one only."""
            asked.append(host)
            return ["::1", "127.0.0.2", "169.254.169.254", "127.0.0.1"]

        assert Pusher(LOOPBACK, resolver=dual).send(f"http://w7.example:{worker.port}/", "POST", {}).status == 200
    assert asked == ["w7.example"] and len(worker.requests) == 1


def test_a_name_with_forbidden_addresses_only_is_refused_as_the_last_of_them() -> None:
    pusher = Pusher(LOOPBACK, resolver=lambda host, port: ["10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254"])
    with pytest.raises(PushRefused, match=r"169\.254\.169\.254 is an address that is never called"):
        pusher.send("http://w7.example/", "POST", {})
    with pytest.raises(PushRefused, match="w7.example has no address"):
        Pusher(LOOPBACK, resolver=lambda host, port: []).send("http://w7.example/", "POST", {})


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "192.0.0.192",
        "169.254.1.1",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::1",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "febf::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:0:127.0.0.1",
        "2001::1",
        "64:ff9b:1::7f00:1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
    ],
)
def test_some_addresses_are_never_called_however_wide_the_allowed_networks_are(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    for named in (host, "name.example"):
        pusher = Pusher(EVERYWHERE, resolver=lambda host, port: [address])
        with pytest.raises(PushRefused, match="never called"):
            pusher.send(f"http://{named}:20001/", "POST", {})


METADATA = ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "025177524776", "169.16689662", "0XA9.254.0251.254"]


@pytest.mark.parametrize("spelled", METADATA)
def test_an_address_in_other_digits_is_the_address_that_it_is(spelled: str) -> None:
    with pytest.raises(PushRefused, match=r"169\.254\.169\.254"):
        Pusher(EVERYWHERE).send(f"http://{spelled}/latest/meta-data", "GET", {})


@pytest.mark.parametrize("spelled", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]", "[0::1]"])
def test_loopback_however_it_is_spelled_is_called_only_where_it_is_allowed(spelled: str) -> None:
    with peer(OK) as worker:
        url = f"http://{spelled}:{worker.port}/"
        with pytest.raises(PushRefused, match="outside the networks"):
            Pusher([ipaddress.ip_network("10.0.0.0/8")]).send(url, "POST", {})
    assert worker.requests == []


@pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "127。0。0。1", "169.254.169.254%00.example"])
def test_a_host_in_letters_that_some_resolvers_take_for_digits_is_no_host(host: str) -> None:
    with pytest.raises(PushRefused, match="is not a URL"):
        Pusher(EVERYWHERE, resolver=lambda host, port: ["127.0.0.1"]).send(f"http://{host}/", "POST", {})


def test_an_address_outside_the_networks_is_refused_with_the_way_to_allow_it() -> None:
    with pytest.raises(PushRefused, match=r"10\.0\.0\.7 is outside .*MILLRACE_PUSH_NETWORKS"):
        Pusher(LOOPBACK).send("http://10.0.0.7:20001/", "POST", {})
    with pytest.raises(PushRefused, match="calls no address"):
        Pusher(()).send("http://127.0.0.1:20001/", "POST", {})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "http://",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:70000/",
        "http://user:secret@127.0.0.1/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX: y",
        "http://[fe80::1%25lo]/",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(PushRefused):
        Pusher(EVERYWHERE).send(url, "POST", {})


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with peer(OK) as elsewhere:
        away = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\nContent-Length: 0\r\n\r\n"
        with peer(away.encode()) as worker:
            answer = Pusher(LOOPBACK).send(f"http://127.0.0.1:{worker.port}/", "POST", {})
    assert answer.status == 302
    assert elsewhere.requests == []


def test_credentials_are_never_sent() -> None:
    with pytest.raises(ValueError, match="authorization"):
        Pusher(LOOPBACK).send("http://127.0.0.1:9/", "POST", {"Authorization": "Bearer mr_x"})


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def dripping(connection: socket.socket) -> None:
    """Always a byte before any single read would time out."""
    for byte in OK * 10:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("talk", [silent, dripping])
def test_a_slow_peer_holds_nobody_up(talk: Callable[[socket.socket], None]) -> None:
    with peer(talk) as worker:
        begun = time.monotonic()
        with pytest.raises(PushFailed, match="timed out"):
            Pusher(LOOPBACK).send(f"http://127.0.0.1:{worker.port}/", "POST", {}, timeout_seconds=0.3)
        assert time.monotonic() - begun < 10


def test_a_resolver_that_does_not_answer_holds_nobody_up() -> None:
    never = threading.Event()

    def stuck(host: str, port: int) -> list[str]:
        never.wait(20)
        return ["127.0.0.1"]

    with pytest.raises(PushFailed, match="could not be resolved"):
        Pusher(LOOPBACK, resolver=stuck).send("http://w7.example/", "POST", {}, timeout_seconds=0.1)
    never.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LARGEST_ANSWER_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
)
def test_an_answer_that_is_huge_or_no_http_is_no_answer(answer: bytes) -> None:
    with peer(answer) as worker, pytest.raises(PushFailed):
        Pusher(LOOPBACK).send(f"http://127.0.0.1:{worker.port}/", "POST", {})


def test_nobody_listening_is_told_as_such(free_port: Callable[[], int]) -> None:
    with pytest.raises(PushFailed, match="gave no answer"):
        Pusher(LOOPBACK).send(f"http://127.0.0.1:{free_port()}/", "POST", {})


def test_the_operator_names_the_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    named = settings_from({"MILLRACE_PUSH_NETWORKS": "10.1.0.0/16, ::1/128"}).push_networks
    assert [str(network) for network in named] == ["10.1.0.0/16", "::1/128"]
    with pytest.raises(BadSettings, match=r"MILLRACE_PUSH_NETWORKS .*10\.1\.0\.1/16"):
        settings_from({"MILLRACE_PUSH_NETWORKS": "10.1.0.1/16"})


def test_by_default_only_a_farm_on_loopback_pushes_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_from({}).push_networks == ()
    assert settings_from({"MILLRACE_TABLE": "t", "MILLRACE_BUCKET": "b"}).push_networks == ()
    assert _settings(_options(["--host", "127.0.0.1"])).push_networks == LOOPBACK
    assert _settings(_options(["--host", "0.0.0.0", "--auth", "token"])).push_networks == ()
    monkeypatch.setenv("MILLRACE_PUSH_NETWORKS", "")
    assert _settings(_options(["--host", "127.0.0.1"])).push_networks == ()


def test_the_process_has_one_pusher_for_its_farm(bench: Bench) -> None:
    assert not current.pusher().may_push
