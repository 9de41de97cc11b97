"""What only S3 has: what exactly is signed (moto verifies none of it), memory, and its errors in our words."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from chalicelib.core.errors import Unavailable
from chalicelib.store import s3
from chalicelib.store.s3 import S3ObjectStore, client_config

DIGEST = hashlib.sha256(b"some bytes").hexdigest()


def test_an_upload_is_bound_to_size_and_checksum(bucket: S3ObjectStore) -> None:
    signed = bucket.sign_upload("blobs/x", size=10, sha256=DIGEST, seconds=60)
    query = parse_qs(urlsplit(signed.url).query)
    signed_headers = set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert signed.method == "PUT"
    assert signed_headers == {name.lower() for name in signed.headers} | {"host"}
    assert signed.headers["Content-Length"] == "10"
    assert base64.b64decode(signed.headers["x-amz-checksum-sha256"]).hex() == DIGEST
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_signed_urls_name_the_buckets_own_region(bucket: S3ObjectStore) -> None:
    signed = bucket.sign_upload("blobs/x", size=10, sha256=DIGEST, seconds=60)
    assert urlsplit(signed.url).hostname == f"{bucket._bucket}.s3.eu-central-1.amazonaws.com"


def test_a_download_carries_type_and_name(bucket: S3ObjectStore) -> None:
    signed = bucket.sign_download("blobs/x", seconds=60, content_type="video/mp4", filename="é 1.mp4")
    query = parse_qs(urlsplit(signed.url).query)
    assert query["response-content-type"] == ["video/mp4"]
    assert query["response-content-disposition"] == ["attachment; filename*=UTF-8''%C3%A9%201.mp4"]
    assert signed.headers == {}


def test_a_signature_that_s3_would_refuse_is_not_made(bucket: S3ObjectStore) -> None:
    with pytest.raises(ValueError, match="seconds"):
        bucket.sign_download("blobs/x", seconds=8 * 24 * 3600, content_type="text/plain")


def test_a_refusal_is_unavailable_and_not_missing() -> None:
    client = boto3.client(
        "s3", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b", config=client_config()
    )
    store = S3ObjectStore(client, "farm-objects")
    with Stubber(client) as stub:
        stub.add_client_error("head_object", service_error_code="AccessDenied", http_status_code=403)
        with pytest.raises(Unavailable, match="AccessDenied"):
            store.head("blobs/x")
        stub.add_client_error("put_object", service_error_code="SlowDown", http_status_code=503)
        with pytest.raises(Unavailable, match="SlowDown"):
            store.put("blobs/x", b"x")


def test_an_upload_in_parts_that_fails_leaves_no_parts(bucket: S3ObjectStore) -> None:
    with pytest.raises(ValueError, match="broken"):
        bucket.put_stream("blobs/x", BrokenAfter(20 * 1024 * 1024))
    uploads = bucket._client.list_multipart_uploads(Bucket=bucket._bucket)
    assert uploads.get("Uploads", []) == []


def test_parts_go_side_by_side_and_end_up_in_order(bucket: S3ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", SMALLEST_PART_BYTES)
    content = b"".join(bytes([number]) * SMALLEST_PART_BYTES for number in range(s3.PARTS_AT_ONCE)) + b"the rest"
    bucket._client = Together(bucket._client, s3.PARTS_AT_ONCE)
    assert bucket.put_stream("blobs/x", io.BytesIO(content), size=len(content)) == len(content)
    assert bucket.get("blobs/x") == content


def test_a_part_that_is_refused_ends_the_upload_after_those_beside_it(
    bucket: S3ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", SMALLEST_PART_BYTES)
    client = bucket._client = Together(bucket._client, s3.PARTS_AT_ONCE, refuses=2)
    with pytest.raises(Unavailable, match="SlowDown"):
        bucket.put_stream("blobs/x", io.BytesIO(bytes(s3.PARTS_AT_ONCE * SMALLEST_PART_BYTES)))
    assert client.on_their_way_at_the_abort == 0 and bucket.get("blobs/x") is None


SMALLEST_PART_BYTES = 5 * 1024 * 1024
"""S3 takes no smaller one, but for the last."""


class Together:
    """A client whose first `count` parts are answered when all of them are there, the first of them last."""

    def __init__(self, client: Any, count: int, refuses: int | None = None) -> None:
        self._client, self._refuses = client, refuses
        self._all_there, self._others_done = threading.Barrier(count, timeout=60), threading.Semaphore(0)
        self._count, self._lock, self._on_their_way = count, threading.Lock(), 0
        self.on_their_way_at_the_abort: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def upload_part(self, PartNumber: int, **parameters: Any) -> Any:
        with self._counted():
            if PartNumber <= self._count:
                self._all_there.wait()
            if PartNumber == self._refuses:
                self._others_done.release()
                raise ClientError({"Error": {"Code": "SlowDown"}}, "UploadPart")
            if PartNumber == 1:
                for _ in range(self._count - 1):
                    assert self._others_done.acquire(timeout=60)
            answer = self._client.upload_part(PartNumber=PartNumber, **parameters)
            self._others_done.release()
            return answer

    def abort_multipart_upload(self, **parameters: Any) -> Any:
        self.on_their_way_at_the_abort = self._on_their_way
        return self._client.abort_multipart_upload(**parameters)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._on_their_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._on_their_way -= 1


class BrokenAfter(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise ValueError("broken")
        self._left -= size
        return b"x" * size
