"""Content in parts, as clients of `/api/v1` see it."""

from __future__ import annotations

import hashlib
import io
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from chalicelib.core import uploads
from chalicelib.store.files import FileObjectStore
from tests.api.bench import Bench

DATA = bytes(range(256)) * 20


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_part_bytes", lambda blob: 2000)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def announced(bench: Bench) -> str:
    return str(bench.post("/blobs", {"size": len(DATA), "sha256": digest(DATA)})["id"])


def part(number: int) -> dict[str, Any]:
    return {"number": number, "sha256": digest(DATA[2000 * (number - 1) : 2000 * number])}


def sent(bench: Bench, blob: str, upload: str, *numbers: int) -> None:
    """Each as the door of signed uploads stores it."""
    assert isinstance(bench.farm.objects, FileObjectStore)
    signed = bench.post(f"/blobs/{blob}/parts/sign", {"upload": upload, "parts": [part(n) for n in numbers]})
    for number, request in zip(numbers, signed["parts"], strict=True):
        url = urlsplit(request["url"])
        key, query = url.path.partition("/objects/")[2], dict(parse_qsl(url.query))
        grant = bench.farm.objects.verify(request["method"], key, query, bench.clock.now())
        piece = io.BytesIO(DATA[2000 * (number - 1) : 2000 * number])
        bench.farm.objects.put_stream(grant.key, piece, size=grant.size, sha256=grant.sha256)


def test_content_sent_in_parts_is_the_blobs(bench: Bench) -> None:
    blob = announced(bench)
    begun = bench.post(f"/blobs/{blob}/parts")
    assert (begun["part_bytes"], begun["parts"]) == (2000, 3)
    sent(bench, blob, begun["upload"], 3, 1, 2)
    whole = {"upload": begun["upload"], "parts": [part(1), part(2), part(3)]}
    told = bench.post(f"/blobs/{blob}/parts/complete", whole)
    assert (told["id"], told["stored"], told["sha256"]) == (blob, True, digest(DATA))
    assert bench.call("GET", f"/blobs/{blob}/content").body == DATA
    assert bench.post(f"/blobs/{blob}/parts/complete", whole) == told
    assert bench.post(f"/blobs/{blob}/parts")["upload"] is None


def test_what_is_missing_can_be_sent_later(bench: Bench) -> None:
    blob = announced(bench)
    upload = bench.post(f"/blobs/{blob}/parts")["upload"]
    sent(bench, blob, upload, 1, 2)
    whole = {"upload": upload, "parts": [part(1), part(2), part(3)]}
    refused = bench.call("POST", f"/blobs/{blob}/parts/complete", whole)
    assert refused.status == 409 and "part 3" in refused.json["detail"]
    sent(bench, blob, upload, 3)
    assert bench.post(f"/blobs/{blob}/parts/complete", whole)["stored"] is True


def test_who_gives_up_leaves_no_content(bench: Bench) -> None:
    blob = announced(bench)
    upload = bench.post(f"/blobs/{blob}/parts")["upload"]
    sent(bench, blob, upload, 1)
    assert bench.call("POST", f"/blobs/{blob}/parts/abort", {"upload": upload}).status == 204
    assert bench.get(f"/blobs/{blob}")["stored"] is False
    assert bench.farm.objects.list("parts/") == []


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"upload": "x" * 49, "parts": [part(1)]}, "upload"),
        ({"upload": "no such!", "parts": [part(1)]}, "upload"),
        ({"parts": [{**part(1), "number": 4}]}, "parts"),
        ({"parts": []}, "parts"),
        ({"parts": [{"number": 1, "sha256": "x"}]}, "parts.0.sha256"),
    ],
)
def test_what_is_wrong_is_named(bench: Bench, wrong: dict[str, Any], field: str) -> None:
    blob = announced(bench)
    upload = bench.post(f"/blobs/{blob}/parts")["upload"]
    refused = bench.call("POST", f"/blobs/{blob}/parts/sign", {"upload": upload, **wrong})
    assert refused.status == 400 and refused.json["field"] == field


def test_where_the_store_cannot_verify_the_whole_only_what_is_too_large_goes_in_parts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(bench.farm.objects), "verifies_parts_together", False)
    small = announced(bench)
    refused = bench.call("POST", f"/blobs/{small}/parts")
    assert refused.status == 400 and "in one request" in refused.json["detail"]
    large = bench.post("/blobs", {"size": 6 * 1024**3, "sha256": digest(b"large")})["id"]
    assert bench.post(f"/blobs/{large}/parts")["upload"]
