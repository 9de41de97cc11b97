"""What S3 itself makes of our signed requests, on a stand-in that checks them, from sixteen threads at once."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
import requests

from chalicelib.core.ports import SignedRequest
from chalicelib.store.s3 import S3ObjectStore
from tests.store.test_sqlite_threads import at_once

pytestmark = pytest.mark.full

DATA = b"bytes of a blob"
DIGEST = hashlib.sha256(DATA).hexdigest()
KEY = f"blobs/{DIGEST}"


def sent(signed: SignedRequest, data: bytes, **other: str) -> int:
    headers = {**signed.headers, **{name.replace("_", "-"): value for name, value in other.items()}}
    return requests.request(signed.method, signed.url, data=data, headers=headers, timeout=30).status_code


def signed(bucket: S3ObjectStore, **other: Any) -> SignedRequest:
    return bucket.sign_upload(KEY, **{"size": len(DATA), "sha256": DIGEST, "seconds": 60, **other})


def test_the_announced_bytes_are_stored(real_bucket: S3ObjectStore) -> None:
    assert sent(signed(real_bucket), DATA) == 200
    assert real_bucket.get(KEY) == DATA


def test_other_bytes_are_refused(real_bucket: S3ObjectStore) -> None:
    assert sent(signed(real_bucket), b"bytes of a flop") == 400
    assert real_bucket.get(KEY) is None


def test_a_request_for_one_key_stores_no_other(real_bucket: S3ObjectStore) -> None:
    request = signed(real_bucket)
    elsewhere = SignedRequest("PUT", request.url.replace("/blobs/", "/jobs/"), request.headers)
    assert sent(elsewhere, DATA) == 403


def test_another_checksum_than_the_signed_one_is_refused(real_bucket: S3ObjectStore) -> None:
    other = signed(real_bucket, sha256=hashlib.sha256(b"other").hexdigest())
    request = signed(real_bucket)
    assert sent(SignedRequest("PUT", request.url, other.headers), DATA) in (400, 403)


def test_a_download_is_what_was_stored(real_bucket: S3ObjectStore) -> None:
    real_bucket.put(KEY, DATA)
    given = real_bucket.sign_download(KEY, seconds=60, content_type="text/plain", filename="é.txt")
    answer = requests.get(given.url, timeout=30)
    assert (answer.content, answer.headers["Content-Type"]) == (DATA, "text/plain")
    part = requests.get(given.url, headers={"Range": "bytes=6-7"}, timeout=30)
    assert (part.status_code, part.content) == (206, b"of")


def test_sixteen_at_once_store_and_read_whole_objects(real_bucket: S3ObjectStore) -> None:
    """Small ones and large ones (in parts), each thread its own and all one in common."""
    large = bytes(range(256)) * 4096 * 17  # 17 MB: two parts

    def move(number: int) -> None:
        own = bytes([number]) * 1000
        real_bucket.put(f"blobs/own-{number}", own)
        real_bucket.put("blobs/common", own)
        assert real_bucket.get(f"blobs/own-{number}") == own
        common = real_bucket.get("blobs/common")
        assert common is not None and len(set(common)) == 1
        if number < 2:
            real_bucket.put_stream(f"blobs/large-{number}", io.BytesIO(large), size=len(large))

    at_once(move)
    found = real_bucket.open("blobs/large-1")
    assert found is not None and hashlib.sha256(b"".join(found)).digest() == hashlib.sha256(large).digest()
