"""Signed uploads where no server of ours stands in front: `chalice local`."""

from __future__ import annotations

import hashlib

import pytest
from chalice import Chalice
from chalice.local import LocalGateway

from chalicelib.core import blobs
from chalicelib.edge import middleware
from chalicelib.store.signing import PREFIX
from tests.api.bench import Bench, gateway_of
from tests.engines.memory_objects import MemoryObjects

DATA = b"bytes of some length"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def local(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> LocalGateway:
    monkeypatch.setenv("AWS_CHALICE_CLI_MODE", "true")
    app = Chalice(app_name="millrace")
    middleware.install(app)
    return gateway_of(app)


def put(local: LocalGateway, url: str, data: bytes) -> int:
    status: int = local.handle_request("PUT", url, {"Content-Type": "application/octet-stream"}, data)["statusCode"]
    return status


def announced(bench: Bench) -> tuple[int, str]:
    blob, signed = blobs.announce(bench.farm, len(DATA), DIGEST)
    assert signed is not None and signed.url.startswith(PREFIX)
    return blob.id, signed.url


@pytest.mark.parametrize("auth", ["open", "token"])
def test_an_upload_needs_nothing_but_its_signature(bench: Bench, local: LocalGateway, auth: str) -> None:
    bench.serve(auth=auth)
    blob, url = announced(bench)
    assert put(local, url, DATA) == 200
    assert bench.farm.objects.get(blobs.get(bench.farm, blob).object_key) == DATA


def test_other_bytes_than_were_signed_are_refused(bench: Bench, local: LocalGateway) -> None:
    _, url = announced(bench)
    for data in (b"", DATA + b"!", DATA[:-1] + b"!"):
        assert put(local, url, data) == 400
    assert bench.farm.objects.head(f"blobs/{DIGEST}") is None


def test_another_signature_is_refused(bench: Bench, local: LocalGateway) -> None:
    _, url = announced(bench)
    for wrong in (
        url[:-1] + "x",
        url.partition("?")[0],
        url.replace("size=", "size=1"),
        url.replace("blobs/", "blobs/0"),
    ):
        assert put(local, wrong, DATA) == 403
    bench.clock.advance(blobs.UPLOAD_SECONDS * 1000)
    assert put(local, url, DATA) == 403
    assert bench.farm.objects.head(f"blobs/{DIGEST}") is None


def test_a_download_url_stores_nothing(bench: Bench, local: LocalGateway) -> None:
    signed = bench.farm.objects.sign_download(f"blobs/{DIGEST}", seconds=60, content_type="text/plain")
    assert put(local, signed.url, DATA) == 403


def test_a_bucket_has_nothing_here(bench: Bench, local: LocalGateway) -> None:
    _, url = announced(bench)
    object.__setattr__(bench.farm, "objects", MemoryObjects())
    assert put(local, url, DATA) == 404


def test_the_app_for_aws_has_no_such_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CHALICE_CLI_MODE", "true")
    monkeypatch.setenv("MILLRACE_TABLE", "a-table")
    app = Chalice(app_name="millrace")
    middleware.install(app)
    assert list(app.routes) == ["/"]
