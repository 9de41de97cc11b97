"""The object store: inputs, outputs and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple, Protocol


class ObjectHead(NamedTuple):
    key: str
    size: int
    modified_at: int
    """Milliseconds since 1970."""


class SignedRequest(NamedTuple):
    """What a client must send: method, URL (may be path-absolute: the door completes it) and headers, verbatim."""

    method: str
    url: str
    headers: Mapping[str, str]


class StoredPart(NamedTuple):
    """A part of a large upload, as its sender knows it. `etag`: what the store answered, if anything."""

    number: int
    """From 1."""
    sha256: str
    etag: str


class ObjectMismatch(Exception):
    """The bytes are not what was announced (size or SHA-256). Nothing was stored."""


class ObjectStore(Protocol):
    """Immutable bytes under keys such as `blobs/<sha256>` and `logs/<task>/<attempt>/<offset>`."""

    verifies_parts_together: bool
    """`complete_parts` holds the whole to its digest."""

    def head(self, key: str) -> ObjectHead | None: ...

    def put(self, key: str, data: bytes) -> None:
        """Store small bytes durably; an existing object is replaced."""
        ...

    def put_stream(self, key: str, source: BinaryIO, *, size: int | None = None, sha256: str | None = None) -> int:
        """Store from a stream in constant memory, verify what was announced, give the size. All or nothing."""
        ...

    def get(self, key: str) -> bytes | None: ...

    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes] | None:
        """The bytes in chunks, or None. Constant memory."""
        ...

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectHead]:
        """Objects whose key starts with the prefix and comes after `after`, by key."""
        ...

    def delete(self, key: str) -> None: ...

    def touch(self, key: str) -> bool:
        """Make `modified_at` now; False if there is no such object. S3 does it up to 5 GiB."""
        ...

    def sign_upload(self, key: str, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        """A request that stores exactly these bytes under exactly this key, and nothing else."""
        ...

    def begin_parts(self, key: str) -> str:
        """Begin an upload in parts: its id, which is worth something for this key only. One that is never completed
        keeps nothing that anybody sees, and goes within days."""
        ...

    def sign_part(self, key: str, upload: str, number: int, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        """A request that stores exactly these bytes as part `number` (from 1) of the upload."""
        ...

    def complete_parts(self, key: str, upload: str, parts: Sequence[StoredPart], *, size: int, sha256: str) -> None:
        """Make the object of these parts, all of it or nothing. Each part was verified when it came. The whole is
        verified by its size, and by its digest where `verifies_parts_together` (S3 does not read what it joins).

        Raises ObjectMismatch: a part is missing, or the whole is not what was announced.
        """
        ...

    def abort_parts(self, key: str, upload: str) -> None:
        """Forget an upload and its parts; nothing happens if there is none."""
        ...

    def sign_download(
        self, key: str, *, seconds: int, content_type: str, filename: str | None = None
    ) -> SignedRequest: ...
