"""Blobs, as clients of `/api/v1` see them."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.core import blobs
from chalicelib.store.signing import PREFIX
from tests.api.bench import Bench

DATA = b"some bytes"
DIGEST = hashlib.sha256(DATA).hexdigest()


def test_new_content_comes_with_the_request_that_stores_it(bench: Bench) -> None:
    answer = bench.call("POST", "/blobs", {"size": len(DATA), "sha256": DIGEST}, Host="farm.example:8000")
    upload = answer.json["upload"]
    assert answer.status == 201 and answer.headers["Location"] == f"/api/v1/blobs/{answer.json['id']}"
    assert upload["method"] == "PUT" and all(isinstance(value, str) for value in upload["headers"].values())
    url = urlsplit(upload["url"])
    assert (url.scheme, url.netloc) == ("http", "farm.example:8000") and url.path.startswith(PREFIX)


def test_known_content_need_not_be_sent_again(bench: Bench) -> None:
    stored = blobs.store_bytes(bench.farm, DATA)
    made = bench.post("/blobs", {"size": len(DATA), "sha256": DIGEST})
    assert made["upload"] is None and made["id"] != str(stored.id)
    assert bench.call("GET", f"/blobs/{made['id']}/content").body == DATA


def test_a_blob_is_described(bench: Bench) -> None:
    made = bench.post("/blobs", {"size": len(DATA), "sha256": DIGEST})
    described = {"id": made["id"], "size": 10, "sha256": DIGEST, "created_at": "2023-11-14T22:13:20.000Z"}
    assert bench.get(f"/blobs/{made['id']}") == {**described, "stored": False}
    blobs.store_bytes(bench.farm, DATA)
    assert bench.get(f"/blobs/{made['id']}") == {**described, "stored": True}


def test_content_that_was_never_uploaded_is_not_found(bench: Bench) -> None:
    made = bench.post("/blobs", {"size": len(DATA), "sha256": DIGEST})
    for delivery in ("inline", "stream", "redirect"):
        bench.serve(delivery=delivery)
        missing = bench.call("GET", f"/blobs/{made['id']}/content")
        assert missing.status == 404 and "never uploaded" in missing.json["detail"]


def test_content_comes_inline(bench: Bench) -> None:
    blob = blobs.store_bytes(bench.farm, DATA)
    answer = bench.call("GET", f"/blobs/{blob.id}/content")
    assert (answer.status, answer.kind, answer.body) == (200, "application/octet-stream", DATA)


def test_content_is_streamed_by_the_embedded_server(bench: Bench) -> None:
    bench.serve(delivery="stream")
    blob = blobs.store_bytes(bench.farm, DATA)
    answer = bench.call("GET", f"/blobs/{blob.id}/content")
    assert (answer.status, answer.body, answer.headers["X-Millrace-Object"]) == (200, b"", f"blobs/{DIGEST}")


def test_large_content_goes_around_lambda(bench: Bench) -> None:
    bench.serve(delivery="redirect")
    small, large = blobs.store_bytes(bench.farm, DATA), blobs.store_bytes(bench.farm, bytes(4_000_001))
    assert bench.call("GET", f"/blobs/{small.id}/content").body == DATA
    answer = bench.call("GET", f"/blobs/{large.id}/content", Host="farm.example")
    assert (answer.status, answer.body) == (307, b"")
    assert answer.headers["Location"].startswith(f"http://farm.example{PREFIX}")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": -1}, "size"),
        ({"size": 10**20}, "size"),
        ({"size": "10"}, "size"),
        ({"size": True}, "size"),
        ({"size": None}, "size"),
        ({"sha256": DIGEST.upper()}, "sha256"),
        ({"sha256": DIGEST[:-1]}, "sha256"),
        ({"sha256": DIGEST + "\n"}, "sha256"),
        ({"sha256": 7}, "sha256"),
        ({"name": "x"}, "name"),
    ],
)
def test_a_wrong_announcement_is_named(bench: Bench, change: dict[str, Any], field: str) -> None:
    refused = bench.call("POST", "/blobs", {"size": len(DATA), "sha256": DIGEST, **change})
    assert (refused.status, refused.json["field"]) == (400, field)


def test_known_content_has_one_size(bench: Bench) -> None:
    blobs.store_bytes(bench.farm, DATA)
    refused = bench.call("POST", "/blobs", {"size": 11, "sha256": DIGEST})
    assert (refused.status, refused.json["field"]) == (400, "size")
