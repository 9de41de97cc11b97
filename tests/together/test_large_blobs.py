"""Blobs far larger than the memory they may cost, and uploads that break off."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from millrace import s3
from tests.together.ensemble import Ensemble, Server
from tests.worker.processes import until

MB = 1024 * 1024
LARGE_BYTES = 300 * MB
MORE_MEMORY_BYTES = 40 * MB

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads memory from /proc")


def megabytes(number: int) -> Iterator[bytes]:
    block = os.urandom(MB)
    for n in range(number):
        yield n.to_bytes(8, "big") + block[8:]


def files_in(data: Path) -> set[Path]:
    return {path for path in (data / "objects").rglob("*") if path.is_file()}


@pytest.fixture
def ensemble(found: Callable[..., Ensemble]) -> Ensemble:
    return found()


def test_a_large_blob_goes_up_and_down_in_constant_memory(ensemble: Ensemble, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.writelines(megabytes(LARGE_BYTES // MB))
    farm = ensemble.farm
    list(farm.jobs())  # whatever is loaded on first use is there
    before = ensemble.server.resident_bytes()
    blob = farm.upload(large)
    large.unlink()
    assert downloaded(f"{farm.url}/data/{blob}/blob") == downloaded(f"{farm.url}/api/v1/blobs/{blob}/content")
    assert ensemble.server.resident_bytes("VmHWM") - before < MORE_MEMORY_BYTES


def test_a_blob_goes_up_in_parts_in_constant_memory(
    ensemble: Ensemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "REQUEST_BYTES", 100 * MB)
    large, digest = tmp_path / "large", hashlib.sha256()
    with large.open("wb") as file:
        for piece in megabytes(LARGE_BYTES // MB):
            file.write(piece)
            digest.update(piece)
    farm = ensemble.farm
    list(farm.jobs())
    before = ensemble.server.resident_bytes()
    blob = farm.upload(large)
    assert downloaded(f"{farm.url}/api/v1/blobs/{blob}/content") == (LARGE_BYTES, digest.hexdigest())
    assert ensemble.server.resident_bytes("VmHWM") - before < MORE_MEMORY_BYTES
    assert not any(path for path in files_in(ensemble.server.data) if "parts" in path.parts)


def test_a_large_form_of_pleiades_is_stored_in_constant_memory(ensemble: Ensemble) -> None:
    farm, boundary = ensemble.farm, b"boundary-of-the-form"
    list(farm.jobs())
    before = ensemble.server.resident_bytes()

    def form() -> Iterator[bytes]:
        yield b"--%b\r\nContent-Disposition: form-data; name=file; filename=data\r\n\r\n" % boundary
        yield from megabytes(LARGE_BYTES // MB)
        yield b"\r\n--%b--\r\n" % boundary

    kind = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
    answer = requests.post(f"{farm.url}/data", data=form(), headers=kind, timeout=60).json()
    size, sha256 = downloaded(f"{farm.url}/data/{answer['id']}/blob")
    assert (size, sha256) == (LARGE_BYTES, answer["checksum"])
    assert ensemble.server.resident_bytes("VmHWM") - before < MORE_MEMORY_BYTES


def downloaded(url: str) -> tuple[int, str]:
    """Size and SHA-256 of what is there."""
    digest, size = hashlib.sha256(), 0
    with requests.get(url, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_content(MB):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def test_an_upload_cut_off_half_way_leaves_nothing(ensemble: Ensemble) -> None:
    content = b"".join(megabytes(8))
    announced = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    farm = ensemble.farm
    answer = requests.post(f"{farm.url}/api/v1/blobs", json=announced, timeout=10).json()
    upload = answer["upload"]
    target = urlsplit(upload["url"])
    lines = [f"PUT {target.path}?{target.query} HTTP/1.1", f"Host: {urlsplit(farm.url).netloc}"]
    lines += [f"{name}: {value}" for name, value in upload["headers"].items()]
    if "content-length" not in {name.lower() for name in upload["headers"]}:
        lines.append(f"Content-Length: {len(content)}")
    cut_off(ensemble.server, "\r\n".join(lines).encode() + b"\r\n\r\n" + content[: len(content) // 2])
    assert requests.get(f"{farm.url}/api/v1/blobs/{answer['id']}/content", timeout=10).status_code == 404
    again = requests.post(f"{farm.url}/api/v1/blobs", json=announced, timeout=10).json()
    assert again["upload"] is not None


def test_a_form_cut_off_half_way_leaves_nothing(ensemble: Ensemble) -> None:
    farm = ensemble.farm
    head = f"POST /data HTTP/1.1\r\nHost: {urlsplit(farm.url).netloc}\r\nContent-Length: {8 * MB}\r\n"
    head += (
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\n"
    )
    cut_off(ensemble.server, head.encode() + b"".join(megabytes(4)))
    assert farm.info().name


def test_other_bytes_than_announced_are_refused_and_not_kept(ensemble: Ensemble) -> None:
    farm = ensemble.farm
    before = files_in(ensemble.server.data)
    announced = {"size": 5, "sha256": hashlib.sha256(b"right").hexdigest()}
    answer = requests.post(f"{farm.url}/api/v1/blobs", json=announced, timeout=10).json()
    upload = answer["upload"]
    url = upload["url"] if upload["url"].startswith("http") else farm.url + upload["url"]
    sent = requests.request(upload["method"], url, data=b"wrong", headers=upload["headers"], timeout=10)
    assert sent.status_code == 400
    assert files_in(ensemble.server.data) == before
    assert requests.get(f"{farm.url}/api/v1/blobs/{answer['id']}/content", timeout=10).status_code == 404


def cut_off(server: Server, half: bytes) -> None:
    """Send the beginning of a request, hang up once some of it is on the disk, and wait until nothing of it is."""
    before = files_in(server.data)
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(half)
        until(lambda: files_in(server.data) != before, "the beginning on the disk", 10)
    until(lambda: files_in(server.data) == before, "an end of the half", 10)
