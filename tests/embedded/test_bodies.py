"""Bodies on their way in: lengths, chunks, files for the large ones, and what happens when they end too early."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.embedded import spool
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.files import DISK_RESERVE_BYTES, FileObjectStore
from tests.embedded.conftest import Wire

BINARY = {"Accept": "application/octet-stream"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nAccept: application/octet-stream\r\n"


def pieces(data: bytes, size: int) -> Any:
    return (data[start : start + size] for start in range(0, len(data), size))


def files_left(objects: FileObjectStore) -> list[str]:
    return sorted(os.listdir(objects.incoming))


@pytest.mark.parametrize("size", [0, 1, 100_000, spool.INLINE_BYTES])
def test_a_body_up_to_a_megabyte_reaches_the_view_as_bytes(server: EmbeddedServer, size: int) -> None:
    data = os.urandom(size)
    assert requests.post(f"{server.url}/echo", data=data, headers=BINARY, timeout=10).content == data
    answer = requests.post(f"{server.url}/echo", data=pieces(data, 9_999), headers=BINARY, timeout=10)
    assert answer.content == data


@pytest.mark.parametrize("chunked", [False, True])
def test_a_larger_body_reaches_the_view_as_a_file(
    server: EmbeddedServer, objects: FileObjectStore, chunked: bool
) -> None:
    data = os.urandom(spool.INLINE_BYTES + 1)
    sent = pieces(data, 70_000) if chunked else data
    seen = requests.post(f"{server.url}/spooled", data=sent, timeout=10).json()
    assert seen["inline"] == 0
    assert seen["size_on_disk"] == seen["spool"]["size"] == len(data)
    assert seen["spool"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert files_left(objects) == []


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_form_is_always_a_file(server: EmbeddedServer, size: int) -> None:
    data = os.urandom(size)
    seen = requests.post(f"{server.url}/spooled", data=data, headers=FORM, timeout=10).json()
    assert (seen["inline"], seen["spool"]["size"], seen["size_on_disk"]) == (0, size, size)
    assert seen["spool"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_view_may_keep_the_file(server: EmbeddedServer, objects: FileObjectStore) -> None:
    data = os.urandom(2_000_000)
    assert requests.post(f"{server.url}/adopt", data=data, timeout=10).status_code == 200
    assert objects.get("blobs/adopted") == data
    assert files_left(objects) == []


def test_a_body_over_the_limit_is_413_and_nothing_is_kept(
    server: EmbeddedServer, objects: FileObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_SPOOLED_BYTES", 3_000_000)
    data = b"x" * 8_000_000
    for sent in (data, pieces(data, 100_000)):
        answer = requests.post(f"{server.url}/spooled", data=sent, timeout=20)
        assert answer.status_code == 413
        assert "3000000" in answer.json()["message"]
    assert requests.post(f"{server.url}/spooled", data=data, headers=FORM, timeout=20).status_code == 200
    assert files_left(objects) == []


def test_a_full_disk_is_507_and_nothing_is_kept(
    server: EmbeddedServer, objects: FileObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(objects.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=DISK_RESERVE_BYTES + 1000))
    answer = requests.post(f"{server.url}/spooled", data=b"x" * 1_000_000, headers=FORM, timeout=10)
    assert answer.status_code == 507
    assert "full" in answer.json()["message"]
    small = requests.post(f"{server.url}/spooled", data=b"x" * 500, headers=FORM, timeout=10)
    assert small.status_code == 200
    assert files_left(objects) == []


@pytest.mark.parametrize("path", ["/spooled", "/echo"])
@pytest.mark.parametrize("reset", [False, True])
def test_an_upload_cut_off_half_way_keeps_nothing(
    server: EmbeddedServer, objects: FileObjectStore, path: str, reset: bool
) -> None:
    wire = Wire(server.port)
    wire.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n".encode() + b"x" * 2_000_000)
    if reset:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
    else:
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.is_closed()
        wire.close()
    server.stop(seconds=5)
    assert files_left(objects) == []


def test_after_a_chunked_body_the_connection_goes_on(wire: Wire) -> None:
    chunks = b"5;note=x\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: y\r\n\r\n"
    wire.send(HEAD + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks)
    assert wire.answer()[2] == b"hello world"
    wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert wire.answer()[2] == b""
    wire.send(HEAD + b"Content-Length: 2\r\n\r\nok")
    assert wire.answer()[2] == b"ok"


def test_a_client_that_asks_first_is_told_to_send(wire: Wire) -> None:
    wire.send(HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert wire.answer(has_body=False)[0] == 100
    wire.send(b"hello")
    assert wire.answer()[2] == b"hello"


def test_a_client_that_asks_first_is_not_told_to_send_what_is_refused(wire: Wire) -> None:
    wire.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (404, "close")


def test_after_a_refusal_a_small_body_is_skipped_and_the_connection_goes_on(wire: Wire) -> None:
    wire.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
    assert wire.answer()[0] == 404
    wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert json.loads(wire.answer()[2]) == {"message": "hello"}


def test_a_refusal_arrives_although_the_client_still_sends(server: EmbeddedServer) -> None:
    answer = requests.post(f"{server.url}/nowhere", data=b"x" * 30_000_000, timeout=20)
    assert answer.status_code == 404


def test_the_spool_folder_may_be_another_one(app: Any, objects: FileObjectStore, tmp_path: Path) -> None:
    server = EmbeddedServer(app, objects, spool_dir=tmp_path / "spool")
    server.start()
    try:
        seen = requests.post(f"{server.url}/spooled", data=b"x" * 10, headers=FORM, timeout=10).json()
        assert Path(seen["spool"]["path"]).parent == tmp_path / "spool"
    finally:
        server.stop()
