"""The object store in AWS: one S3 bucket.

`bootstrap` makes it for Lambda with a low-level boto3 client (`client_config()` says how). Clients move bytes to and
from the bucket by presigned requests, which S3 itself holds to the announced size and SHA-256.

A large `put_stream` is a multipart upload, completed only after size and digest were verified. If the process dies
before, S3 keeps the parts, invisible but paid for: the bucket's lifecycle must abort incomplete uploads after a day.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO
from urllib.parse import quote

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.core.errors import Unavailable
from chalicelib.core.ports import ObjectHead, ObjectMismatch, SignedRequest, StoredPart
from chalicelib.store.announced import check_arrived, check_not_longer, checked_announcement
from chalicelib.store.object_keys import checked_key, checked_range

CHUNK_BYTES = 256 * 1024
PART_BYTES = 16 * 1024 * 1024
PARTS_AT_ONCE = 4
"""S3 promises some 85 MB/s of one request. What is sent is in memory; no call to Lambda brings that much."""
MAX_PARTS = 10_000
LONGEST_SIGNATURE_SECONDS = 7 * 24 * 3600
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_BAD_PARTS = frozenset(
    {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "NoSuchUpload", "InvalidRequest", "BadDigest"}
)
_EMPTY_RANGE = frozenset({"416", "InvalidRange"})
_Parts = list[dict[str, Any]]


def client_config() -> Config:
    """Virtual-hosted addresses: by default botocore signs for s3.amazonaws.com, which redirects from other regions."""
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual"},
        retries={"mode": "standard", "total_max_attempts": 4},
        connect_timeout=3,
        read_timeout=20,
    )


class OnFirstUse:
    """A client that is made when it is first used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._lock = make, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @functools.cached_property
    def _client(self) -> Any:
        with self._lock:  # sessions of boto3 are not made for several threads
            return self._make()


class S3ObjectStore:
    """`ObjectStore` in a bucket. `client` is `boto3.client("s3", config=client_config())`."""

    verifies_parts_together = False

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    # -- reading --

    def head(self, key: str) -> ObjectHead | None:
        with _translated() as answer:
            answer.update(self._client.head_object(**self._at(key)))
        if not answer:
            return None
        return ObjectHead(key, answer["ContentLength"], _milliseconds(answer["LastModified"]))

    def get(self, key: str) -> bytes | None:
        chunks = self.open(key)
        return None if chunks is None else b"".join(chunks)

    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes] | None:
        checked_range(offset, length)
        if length == 0:  # HTTP has no way to ask for nothing
            return None if self.head(key) is None else iter(())
        with _translated() as answer:
            answer.update(self._client.get_object(**self._at(key), **_range(offset, length)))
        if answer.get("is_past_the_end"):
            return iter(())
        return _chunks(answer["Body"]) if answer else None

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectHead]:
        heads: list[ObjectHead] = []
        while len(heads) < limit:
            count = min(limit - len(heads), 1000)
            with _translated() as answer:
                answer.update(
                    self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, StartAfter=after, MaxKeys=count)
                )
            found = answer.get("Contents", [])
            heads += [ObjectHead(item["Key"], item["Size"], _milliseconds(item["LastModified"])) for item in found]
            if not answer.get("IsTruncated") or not found:
                break
            after = found[-1]["Key"]
        return heads

    # -- writing --

    def put(self, key: str, data: bytes) -> None:
        checksum = _checksum(hashlib.sha256(data).digest())
        with _translated():
            self._client.put_object(**self._at(key), Body=data, ChecksumSHA256=checksum)

    def put_stream(self, key: str, source: BinaryIO, *, size: int | None = None, sha256: str | None = None) -> int:
        part_bytes = max(PART_BYTES, (size or 0) // (MAX_PARTS - 1) + 1)
        first = _read_part(source, part_bytes)
        if len(first) == part_bytes:
            return self._put_in_parts(key, first, source, part_bytes, size=size, sha256=sha256)
        check_arrived(len(first), hashlib.sha256(first).hexdigest(), size=size, sha256=sha256)
        self.put(key, first)
        return len(first)

    def delete(self, key: str) -> None:
        with _translated():
            self._client.delete_object(**self._at(key))

    def touch(self, key: str) -> bool:
        """A copy onto itself, which S3 allows where something is replaced: the metadata."""
        with _translated() as answer:
            answer.update(
                self._client.copy_object(
                    **self._at(key),
                    CopySource={"Bucket": self._bucket, "Key": key},
                    MetadataDirective="REPLACE",
                    ContentType="application/octet-stream",
                    ChecksumAlgorithm="SHA256",
                )
            )
        return bool(answer)

    def _put_in_parts(
        self, key: str, first: bytes, source: BinaryIO, part_bytes: int, *, size: int | None, sha256: str | None
    ) -> int:
        with _translated() as upload:
            upload.update(self._client.create_multipart_upload(**self._at(key), ChecksumAlgorithm="SHA256"))
        place = {**self._at(key), "UploadId": upload["UploadId"]}
        try:
            parts, written, digest = self._send_parts(place, first, source, part_bytes, size)
            check_arrived(written, digest, size=size, sha256=sha256)
            with _translated():
                self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        except BaseException:
            with contextlib.suppress(ClientError, BotoCoreError):  # the lifecycle rule is the second net
                self._client.abort_multipart_upload(**place)
            raise
        return written

    def _send_parts(
        self, place: dict[str, Any], part: bytes, source: BinaryIO, part_bytes: int, size: int | None
    ) -> tuple[_Parts, int, str]:
        """The parts as S3 wants them back, the bytes sent and their digest.

        While some are sent the next is read. Returns, or raises, when nothing is on its way any more: an upload that is
        aborted before its last part has arrived keeps that part.
        """
        parts: _Parts = []
        sending: deque[Future[dict[str, Any]]] = deque()
        digest, written, number = hashlib.sha256(), 0, 0
        with ThreadPoolExecutor(PARTS_AT_ONCE, "parts") as pool:
            try:
                while part:
                    number, written = number + 1, written + len(part)
                    check_not_longer(written, size)
                    sending.append(pool.submit(self._send_part, place, number, part))
                    digest.update(part)
                    if len(sending) == PARTS_AT_ONCE:
                        parts.append(sending.popleft().result())
                    part = _read_part(source, part_bytes)
                parts += [one.result() for one in sending]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return parts, written, digest.hexdigest()

    def _send_part(self, place: dict[str, Any], number: int, part: bytes) -> dict[str, Any]:
        checksum = _checksum(hashlib.sha256(part).digest())
        with _translated() as answer:
            answer.update(self._client.upload_part(**place, PartNumber=number, Body=part, ChecksumSHA256=checksum))
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    # -- signed requests --

    def sign_upload(self, key: str, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        checked_announcement(size, sha256)
        checksum = _checksum(bytes.fromhex(sha256))
        content_type = "application/octet-stream"
        bound = {"ContentLength": size, "ChecksumSHA256": checksum, "ContentType": content_type}
        headers = {"Content-Length": str(size), "Content-Type": content_type, "x-amz-checksum-sha256": checksum}
        return SignedRequest("PUT", self._presigned("put_object", {**self._at(key), **bound}, seconds), headers)

    # -- large uploads, in parts that clients send --

    def begin_parts(self, key: str) -> str:
        with _translated() as upload:
            upload.update(self._client.create_multipart_upload(**self._at(key), ChecksumAlgorithm="SHA256"))
        return str(upload["UploadId"])

    def sign_part(self, key: str, upload: str, number: int, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        checked_announcement(size, sha256)
        checksum = _checksum(bytes.fromhex(sha256))
        bound = {"UploadId": upload, "PartNumber": number, "ContentLength": size, "ChecksumSHA256": checksum}
        headers = {"Content-Length": str(size), "x-amz-checksum-sha256": checksum}
        return SignedRequest("PUT", self._presigned("upload_part", {**self._at(key), **bound}, seconds), headers)

    def complete_parts(self, key: str, upload: str, parts: Sequence[StoredPart], *, size: int, sha256: str) -> None:
        listed = [
            {"PartNumber": p.number, "ETag": p.etag, "ChecksumSHA256": _checksum(bytes.fromhex(p.sha256))}
            for p in parts
        ]
        place = {**self._at(key), "UploadId": upload}
        with _translated(also=_BAD_PARTS) as answer:
            answer.update(self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": listed}))
        if "refused" in answer:
            raise ObjectMismatch(f"the parts are not all there, or not as they are named: {answer['refused']}")
        head = self.head(key)
        if head is None or head.size != size:
            self.delete(key)
            raise ObjectMismatch(f"announced {size} bytes, but the parts have {head.size if head else 0}")

    def abort_parts(self, key: str, upload: str) -> None:
        with _translated(also=_BAD_PARTS):
            self._client.abort_multipart_upload(**self._at(key), UploadId=upload)

    def sign_download(self, key: str, *, seconds: int, content_type: str, filename: str | None = None) -> SignedRequest:
        answer = {"ResponseContentType": content_type}
        if filename is not None:
            answer["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        return SignedRequest("GET", self._presigned("get_object", {**self._at(key), **answer}, seconds), {})

    def _presigned(self, operation: str, parameters: dict[str, Any], seconds: int) -> str:
        if not 1 <= seconds <= LONGEST_SIGNATURE_SECONDS:
            raise ValueError(f"S3 signs for 1 to {LONGEST_SIGNATURE_SECONDS} seconds, not {seconds}")
        with _translated() as answer:
            answer["url"] = self._client.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds)
        return str(answer["url"])

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": checked_key(key)}


@contextlib.contextmanager
def _translated(also: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """botocore's errors in our words: what is missing leaves the answer empty, codes in `also` are in it as `refused`,
    the rest is Unavailable."""
    answer: dict[str, Any] = {}
    try:
        yield answer
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in also:
            answer["refused"] = code
        elif code in _EMPTY_RANGE:
            answer["is_past_the_end"] = True
        elif code not in _MISSING:
            raise Unavailable(f"the object store refused: {code}") from error
    except BotoCoreError as error:
        raise Unavailable(f"the object store cannot be reached: {error}") from error


def _range(offset: int, length: int | None) -> dict[str, str]:
    if offset == 0 and length is None:
        return {}
    last = "" if length is None else offset + length - 1
    return {"Range": f"bytes={offset}-{last}"}


def _chunks(body: Any) -> Iterator[bytes]:
    with contextlib.closing(body):
        try:
            yield from body.iter_chunks(CHUNK_BYTES)
        except BotoCoreError as error:
            raise Unavailable(f"the object store broke off: {error}") from error


def _read_part(source: BinaryIO, part_bytes: int) -> bytes:
    """Exactly one part, less only at the end: S3 refuses short parts in the middle, and sockets read short."""
    part = bytearray()
    while len(part) < part_bytes:
        chunk = source.read(min(CHUNK_BYTES, part_bytes - len(part)))
        if not chunk:
            break
        part += chunk
    return bytes(part)


def _checksum(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _milliseconds(moment: Any) -> int:
    return int(moment.timestamp() * 1000)
