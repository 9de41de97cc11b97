"""Signed uploads and downloads over real sockets, and objects that views answer with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import psutil
import pytest
import requests

from chalicelib.core.ports import SignedRequest
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.files import FileObjectStore
from tests.embedded.conftest import Wire
from tests.store_objects.conftest import StillClock

DATA = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
KEY = f"blobs/{DIGEST}"
MEGABYTE = 1024 * 1024


@pytest.fixture
def upload(objects: FileObjectStore) -> SignedRequest:
    return objects.sign_upload(KEY, size=len(DATA), sha256=DIGEST, seconds=60)


def put(server: EmbeddedServer, signed: SignedRequest, data: object, url: str | None = None) -> requests.Response:
    return requests.put(server.url + (url or signed.url), data=data, headers=dict(signed.headers), timeout=30)


def test_a_signed_upload_stores_the_bytes_and_may_be_repeated(
    server: EmbeddedServer, objects: FileObjectStore, upload: SignedRequest
) -> None:
    for _ in range(2):
        answer = put(server, upload, DATA)
        assert (answer.status_code, answer.json()) == (200, {"code": 0, "status": "ok"})
    assert objects.get(KEY) == DATA


def test_a_signed_upload_may_come_in_chunks(
    server: EmbeddedServer, objects: FileObjectStore, upload: SignedRequest
) -> None:
    assert put(server, upload, (DATA[start : start + 1000] for start in range(0, len(DATA), 1000))).status_code == 200
    assert objects.get(KEY) == DATA


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (DATA[:-1], (len(DATA), len(DATA) - 1)),
        (DATA + b"x", (len(DATA), len(DATA) + 1)),
        (DATA[:-1] + b"x", (DIGEST, hashlib.sha256(DATA[:-1] + b"x").hexdigest())),
        (iter([DATA[:-1]]), (len(DATA), len(DATA) - 1)),
        (iter([DATA, b"x"]), (len(DATA), len(DATA) + 1)),
    ],
)
def test_other_bytes_are_refused_naming_both_sides_and_nothing_is_kept(
    server: EmbeddedServer,
    objects: FileObjectStore,
    upload: SignedRequest,
    data: bytes | Iterator[bytes],
    named: tuple[object, object],
) -> None:
    answer = put(server, upload, data)
    assert answer.status_code == 400
    assert all(str(part) in answer.json()["message"] for part in named)
    assert objects.head(KEY) is None
    assert os.listdir(objects.incoming) == []


def test_an_upload_without_a_length_is_411(wire: Wire, upload: SignedRequest) -> None:
    wire.send(f"PUT {upload.url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert wire.answer()[0] == 411


def test_a_wrong_or_missing_signature_is_403(
    server: EmbeddedServer, objects: FileObjectStore, upload: SignedRequest
) -> None:
    other_key = upload.url.replace(DIGEST, "0" * 64, 1)
    for url in (upload.url + "0", other_key, upload.url.partition("?")[0], upload.url + "&size=1"):
        answer = put(server, upload, DATA, url)
        assert answer.status_code == 403, url
        assert answer.json()["code"] == 403
    assert requests.get(server.url + upload.url, timeout=10).status_code == 403
    assert objects.list("") == []


def test_an_expired_url_is_403(server: EmbeddedServer, upload: SignedRequest, clock: StillClock) -> None:
    clock.milliseconds += 61_000
    answer = put(server, upload, DATA)
    assert answer.status_code == 403
    assert "expired" in answer.json()["message"]


@pytest.mark.parametrize("key", ["../secret", "%2e%2e/secret", "a//b", "a%00b", "a%5Cb", "%ff", ""])
def test_a_path_that_is_no_key_is_refused(wire: Wire, key: str) -> None:
    wire.send(f"GET /objects/{key}?signature=0&expires=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert wire.answer()[0] in (400, 403)


def test_an_upload_cut_off_half_way_keeps_nothing(
    server: EmbeddedServer, objects: FileObjectStore, wire: Wire, upload: SignedRequest
) -> None:
    wire.send(f"PUT {upload.url} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n\r\n".encode() + DATA[:5000])
    wire.close()
    server.stop(seconds=5)
    assert objects.head(KEY) is None
    assert os.listdir(objects.incoming) == []


def test_a_signed_download_has_the_signed_type_and_name(server: EmbeddedServer, objects: FileObjectStore) -> None:
    objects.put(KEY, DATA)
    signed = objects.sign_download(KEY, seconds=60, content_type="video/mp4", filename="é 1.mp4")
    answer = requests.get(server.url + signed.url, timeout=10)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A9%201.mp4"
    assert answer.headers["Accept-Ranges"] == "bytes"
    head = requests.head(server.url + signed.url, timeout=10)
    assert (head.headers["Content-Length"], head.content) == (str(len(DATA)), b"")


def test_a_download_of_what_is_not_there_is_404(server: EmbeddedServer, objects: FileObjectStore) -> None:
    signed = objects.sign_download("blobs/none", seconds=60, content_type="video/mp4")
    assert requests.get(server.url + signed.url, timeout=10).status_code == 404


def test_objects_know_no_other_methods(server: EmbeddedServer, upload: SignedRequest) -> None:
    answer = requests.delete(server.url + upload.url, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, PUT")


SIZE = len(DATA)


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        (None, 200, 0, SIZE - 1),
        ("bytes=0-0", 206, 0, 0),
        ("bytes=10-99", 206, 10, 99),
        ("bytes=100-", 206, 100, SIZE - 1),
        ("bytes=-5", 206, SIZE - 5, SIZE - 1),
        (f"bytes=-{SIZE * 2}", 206, 0, SIZE - 1),
        (f"bytes=5-{SIZE * 2}", 206, 5, SIZE - 1),
        ("bytes=9-5", 200, 0, SIZE - 1),
        ("bytes=0-1,5-6", 200, 0, SIZE - 1),
        ("bytes=-", 200, 0, SIZE - 1),
        ("lines=1-2", 200, 0, SIZE - 1),
    ],
)
def test_a_part_of_an_object_can_be_asked_for(
    server: EmbeddedServer, objects: FileObjectStore, asked: str | None, status: int, first: int, last: int
) -> None:
    objects.put(KEY, DATA)
    signed = objects.sign_download(KEY, seconds=60, content_type="video/mp4")
    for url in (signed.url, f"/blob/{DIGEST}"):
        answer = requests.get(server.url + url, headers={"Range": asked} if asked else {}, timeout=10)
        assert (answer.status_code, answer.content) == (status, DATA[first : last + 1])
        expected = f"bytes {first}-{last}/{SIZE}" if status == 206 else None
        assert answer.headers.get("Content-Range") == expected


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=-0"])
def test_a_part_behind_the_end_is_416(server: EmbeddedServer, objects: FileObjectStore, asked: str) -> None:
    objects.put(KEY, DATA)
    answer = requests.get(f"{server.url}/blob/{DIGEST}", headers={"Range": asked}, timeout=10)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


def test_a_view_answers_with_an_object(server: EmbeddedServer, objects: FileObjectStore) -> None:
    objects.put(KEY, DATA)
    answer = requests.get(f"{server.url}/blob/{DIGEST}", timeout=10)
    assert answer.content == DATA
    assert answer.headers["Content-Type"] == "video/mp4"
    assert "X-Millrace-Object" not in answer.headers
    head = requests.head(f"{server.url}/blob/{DIGEST}", timeout=10)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(SIZE), b"")
    assert requests.get(f"{server.url}/blob/none", timeout=10).status_code == 404


def test_an_empty_object_is_sent(server: EmbeddedServer, objects: FileObjectStore) -> None:
    objects.put("blobs/empty", b"")
    answer = requests.get(f"{server.url}/blob/empty", timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_large_object_passes_in_constant_memory(server: EmbeddedServer, objects: FileObjectStore) -> None:
    """Both ways, and as a form; client and server share this process, and neither may hold the bytes."""
    block, count = bytes(MEGABYTE), 300
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(block)
    signed = objects.sign_upload("blobs/large", size=count * MEGABYTE, sha256=digest.hexdigest(), seconds=60)
    process = psutil.Process()
    before, peak = process.memory_info().rss, 0

    def blocks() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(count):
            peak = max(peak, process.memory_info().rss)
            yield block

    assert put(server, signed, blocks()).status_code == 200
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    seen = requests.post(f"{server.url}/spooled", data=blocks(), headers=form, timeout=30).json()
    assert seen["spool"]["size"] == count * MEGABYTE
    with requests.get(f"{server.url}/blob/large", stream=True, timeout=30) as answer:
        size = 0
        for chunk in answer.iter_content(MEGABYTE):
            size += len(chunk)
            peak = max(peak, process.memory_info().rss)
    assert size == count * MEGABYTE
    assert peak - before < 30 * MEGABYTE
