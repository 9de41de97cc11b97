"""An `ObjectStore` in memory, for tests of what stands above it. The engines have a suite of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from chalicelib.core.ports import ObjectHead, ObjectMismatch, SignedRequest, StoredPart


class MemoryObjects:
    verifies_parts_together = True

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def head(self, key: str) -> ObjectHead | None:
        data = self._objects.get(key)
        return None if data is None else ObjectHead(key, len(data), 0)

    def put(self, key: str, data: bytes) -> None:
        self._objects[key] = data

    def put_stream(self, key: str, source: BinaryIO, *, size: int | None = None, sha256: str | None = None) -> int:
        data = source.read()
        if size not in (None, len(data)) or sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise ObjectMismatch("not what was announced")
        self._objects[key] = data
        return len(data)

    def get(self, key: str) -> bytes | None:
        return self._objects.get(key)

    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes] | None:
        data = self._objects.get(key)
        return None if data is None else iter([data[offset : None if length is None else offset + length]])

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectHead]:
        keys = sorted(key for key in self._objects if key.startswith(prefix) and key > after)
        return [ObjectHead(key, len(self._objects[key]), 0) for key in keys[:limit]]

    def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    def touch(self, key: str) -> bool:
        return key in self._objects

    def sign_upload(self, key: str, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        return SignedRequest("PUT", f"/objects/{key}?size={size}&sha256={sha256}", {})

    def begin_parts(self, key: str) -> str:
        raise NotImplementedError

    def sign_part(self, key: str, upload: str, number: int, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        raise NotImplementedError

    def complete_parts(self, key: str, upload: str, parts: Sequence[StoredPart], *, size: int, sha256: str) -> None:
        raise NotImplementedError

    def abort_parts(self, key: str, upload: str) -> None:
        raise NotImplementedError

    def sign_download(self, key: str, *, seconds: int, content_type: str, filename: str | None = None) -> SignedRequest:
        return SignedRequest("GET", f"/objects/{key}", {})
