"""`/data`: uploads as forms and by signed requests, downloads in each way of delivery."""

from __future__ import annotations

import hashlib
import io
import socket
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests

from chalicelib.config import Settings
from chalicelib.core.errors import BadInput
from chalicelib.core.ports import SignedRequest
from chalicelib.dialects.pleiades import blob_routes, form_file
from chalicelib.edge import current
from chalicelib.edge.http import Request
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.test_bad_input import assert_refused


def form(*parts: tuple[str, bytes], boundary: str = "frontier", end: bool = True) -> bytes:
    body = b""
    for name, content in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


def request_with(body: bytes, content_type: str = "multipart/form-data; boundary=frontier") -> Request:
    return Request("POST", "/data", {"content-type": content_type}, {}, body, None, "127.0.0.1")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\r\n", b"--frontier", b"\r\n--frontie\r\n", bytes(range(256)) * 5000, b"\r" * 300_000],
    ids=["empty", "text", "line break", "boundary", "almost", "binary", "returns"],
)
def test_content_survives_the_form(content: bytes) -> None:
    request = request_with(form(("other", b"x" * 100), ("file", content), ("file", b"second")))
    measured = form_file.measure(request)
    assert (measured.size, measured.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert form_file.open_part(request, request.open_body()).read() == content


@pytest.mark.parametrize(
    "body", [form(("file", b"hello"), end=False), form(("file", b"hello"))[:60], b"", b"nonsense"], ids=range(4)
)
def test_a_form_that_is_cut_off_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput):
        form_file.measure(request_with(body))


class Endless(io.RawIOBase):
    """A form of 64 MB that exists only while it is read, and notes how much is asked for at once."""

    def __init__(self) -> None:
        head, tail = form(("file", b"")).split(b"\r\n\r\n", 1)
        self._pieces = [head + b"\r\n\r\n", *[b"x" * 65536] * 1024, tail]
        self.largest_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self.largest_read = max(self.largest_read, len(buffer))
        piece = self._pieces.pop(0) if self._pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_large_form_is_read_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Endless()
    monkeypatch.setattr(Request, "open_body", lambda self: source)
    assert form_file.measure(request_with(b"")).size == 64 * 1024 * 1024
    assert source.largest_read == form_file.CHUNK_BYTES


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "multipart/form-data", ""])
def test_what_is_no_form_has_no_file(site: Site, kind: str) -> None:
    answer = site.post("/data", data=b"hello", headers={"Content-Type": kind})
    assert assert_refused(answer, 400) == "http: no such file"


def test_a_file_larger_than_memory_is_meant_to_be_comes_back_whole(site: Site) -> None:
    content = bytes(range(256)) * 40_000
    blob = site.upload(content)
    answer = site.get(f"/data/{blob}/blob")
    assert (answer.headers["Content-Type"], answer.content) == ("application/octet-stream", content)


def test_an_upload_that_breaks_off_stores_nothing(site: Site) -> None:
    body = form(("file", b"x" * 3_000_000))
    address = urlsplit(site.url)
    head = f"POST /data HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: multipart/form-data; boundary=frontier\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as line:
        line.sendall(head.encode() + body[:2_000_000])
        line.shutdown(socket.SHUT_WR)
        while line.recv(65536):
            pass
    assert list(site.farm.objects.list("blobs/")) == []


def test_the_same_content_gets_a_new_id_and_is_kept_once(site: Site) -> None:
    assert site.upload(b"twice") != site.upload(b"twice")
    assert len(site.farm.objects.list("blobs/")) == 1


def announce(site: Site, content: bytes, **wrong: object) -> requests.Response:
    digest = hashlib.sha256(content).hexdigest()
    return site.post("/data", {"size": len(content), "sha256": digest, **wrong})


def send(site: Site, upload: SignedRequest | dict[str, object], content: bytes) -> requests.Response:
    assert isinstance(upload, dict)
    return requests.request(
        str(upload["method"]), site.url + str(upload["url"]), headers=upload["headers"], data=content, timeout=10
    )


def test_announced_content_goes_where_the_answer_says(site: Site) -> None:
    answer = announce(site, b"hello").json()
    assert list(answer) == ["code", "status", "id", "checksum", "upload"]
    assert send(site, answer["upload"], b"hello").status_code == 200
    assert site.get(f"/data/{answer['id']}/blob").content == b"hello"
    assert announce(site, b"hello").json()["upload"] is None


def test_other_bytes_than_announced_are_refused(site: Site) -> None:
    answer = announce(site, b"hello").json()
    assert send(site, answer["upload"], b"hallo").status_code == 400
    assert_refused(site.get(f"/data/{answer['id']}/blob"), 404, code=601)


@pytest.mark.parametrize(
    "wrong", [{"size": -1}, {"size": "5"}, {"size": None}, {"sha256": "A" * 64}, {"sha256": 5}, {"more": 1}]
)
def test_an_announcement_is_strict(site: Site, wrong: dict[str, object]) -> None:
    assert next(iter(wrong)) in assert_refused(announce(site, b"hello", **wrong), 400)


def test_a_worker_of_ours_is_told_the_size_and_no_old_client_with_a_token_is(site: Site) -> None:
    blob = site.upload(b"hello")
    worker = site.post("/worker", {"worker": {"name": "n"}}).json()
    keys = ["code", "status", "message", "id", "checksum"]
    assert site.get(f"/data/{blob}", auth=(worker["id"], worker["secret"])).json()["size"] == 5
    assert list(site.get(f"/data/{blob}").json()) == keys
    for headers in ({"Authorization": "Bearer x"}, {"Authorization": "Basic bXJfdG9rZW46"}):
        assert list(site.get(f"/data/{blob}", headers=headers).json()) == keys


def test_the_blob_zero_is_nothing(site: Site) -> None:
    answer = site.get("/data/0/blob")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/octet-stream"


# ---- as on Lambda --------------------------------------------------------------------------------------------------


@pytest.fixture
def lambda_site(site: Site, settings: Settings) -> Site:
    current.serve(site.farm, replace(settings, delivery="redirect"))
    return site


def test_on_lambda_a_large_download_leads_to_the_bucket(lambda_site: Site, settings: Settings) -> None:
    content = b"x" * (blob_routes.THROUGH_LAMBDA_BYTES + 1)
    answer = announce(lambda_site, content).json()
    send(lambda_site, answer["upload"], content)
    led = lambda_site.get(f"/data/{answer['id']}/blob")
    assert (led.status_code, led.content) == (307, b"")
    found = requests.get(led.headers["Location"], timeout=10)
    assert (found.headers["Content-Type"], found.content) == ("application/octet-stream", content)


def test_on_lambda_a_small_download_is_answered_at_once(lambda_site: Site) -> None:
    answer = lambda_site.get(f"/data/{lambda_site.upload(b'hello')}/blob")
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_on_lambda_a_large_upload_is_told_the_other_way(lambda_site: Site) -> None:
    content = b"x" * (blob_routes.THROUGH_LAMBDA_BYTES + 1)
    answer = lambda_site.post("/data", files={"file": ("x", content)})
    assert "sha256" in assert_refused(answer, 413)
