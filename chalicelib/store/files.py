"""The object store of one machine: a folder.

`bootstrap` makes it for the embedded farm; the embedded server streams from and to it. How bytes stand in the folder,
and when they are safe there, is said in `object_folder.py`; here are the URLs that let clients at them, and the uploads
in parts.

A large upload's parts are objects until one call joins them, under a lock: nobody else joins or removes them meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from chalicelib.core.errors import AtWork, Unavailable
from chalicelib.core.ports import Clock, ObjectMismatch, SignedRequest, StoredPart
from chalicelib.store.announced import checked_announcement
from chalicelib.store.disk import disk_errors_named
from chalicelib.store.file_lock import held_alone
from chalicelib.store.folder import keys_in_order
from chalicelib.store.object_folder import ObjectFolder, head_of_entry
from chalicelib.store.object_keys import checked_key
from chalicelib.store.signing import Grant, signed_url, verified_grant

STALE_PARTS_SECONDS = 7 * 86_400
"""An upload of which nothing has come for so long is given up; a slow one may take longer as a whole."""
DISK_RESERVE_BYTES = 200 * 1024 * 1024
"""Uploads leave so much free: what the table needs to go on."""
PARTS = "parts/"
_UPLOAD = re.compile(r"[0-9a-f]{24}-[0-9a-f]{24}")


class FileObjectStore(ObjectFolder):
    """`ObjectStore` in one folder. `secret` signs URLs: keep it between starts, or signed URLs die with the process."""

    verifies_parts_together = True

    def __init__(self, root: Path, secret: bytes, *, clock: Clock) -> None:
        super().__init__(root)
        self._secret = secret
        self._clock = clock

    # -- signed requests --

    def sign_upload(self, key: str, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        checked_announcement(size, sha256)
        grant = Grant("PUT", checked_key(key), self._expiry(seconds), size=size, sha256=sha256)
        return SignedRequest("PUT", signed_url(grant, self._secret), {"Content-Type": "application/octet-stream"})

    def sign_download(self, key: str, *, seconds: int, content_type: str, filename: str | None = None) -> SignedRequest:
        grant = Grant("GET", checked_key(key), self._expiry(seconds), content_type=content_type, filename=filename)
        return SignedRequest("GET", signed_url(grant, self._secret), {})

    def verify(self, method: str, key: str, query: Mapping[str, str], now: int) -> Grant:
        """For the server: what a signed URL allows. Raises Forbidden, or ValueError for a key that cannot exist."""
        return verified_grant(method, checked_key(key), query, self._secret, now)

    def _expiry(self, seconds: int) -> int:
        return self._clock.now() + seconds * 1000

    # -- large uploads, in parts that clients send: objects of their own until they are joined --

    def begin_parts(self, key: str) -> str:
        self._remove_stale_parts()
        return f"{hashlib.sha256(checked_key(key).encode()).hexdigest()[:24]}-{secrets.token_hex(12)}"

    def sign_part(self, key: str, upload: str, number: int, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        return self.sign_upload(_part_key(key, upload, number), size=size, sha256=sha256, seconds=seconds)

    def complete_parts(self, key: str, upload: str, parts: Sequence[StoredPart], *, size: int, sha256: str) -> None:
        """The bytes are copied once, and the digest of the whole is verified on the way. Raises Unavailable while
        another call joins them, and where the disk would become full."""
        with self._parts_held(key, upload):
            head = self.head(key)
            if head is None or head.size != size:  # or another call has joined them just now
                self.put_chunks(key, self._chunks_of(key, upload, parts, size), size=size, sha256=sha256)
            self._remove_parts(key, upload)

    def _chunks_of(self, key: str, upload: str, parts: Sequence[StoredPart], size: int) -> Iterator[bytes]:
        left = size
        for part in parts:
            self._check_room(left)  # each time: others write to the disk too
            chunks = self.open(_part_key(key, upload, part.number))
            if chunks is None:
                raise ObjectMismatch(f"part {part.number} is not there")
            for chunk in chunks:
                left -= len(chunk)
                yield chunk

    def abort_parts(self, key: str, upload: str) -> None:
        """Raises Unavailable while they are being joined: who gave up waiting for that keeps the content."""
        with self._parts_held(key, upload):
            self._remove_parts(key, upload)

    def _remove_parts(self, key: str, upload: str) -> None:
        prefix = _part_key(key, upload, 1).rpartition("/")[0] + "/"
        while heads := self.list(prefix):
            for head in heads:
                self.delete(head.key)

    @contextlib.contextmanager
    def _parts_held(self, key: str, upload: str) -> Iterator[None]:
        _part_key(key, upload, 1)  # the upload names a file from here on
        with disk_errors_named(), held_alone(self.incoming / f"{upload}.lock") as is_held:
            if not is_held:
                raise AtWork("this upload is being joined at this moment; ask again later")
            yield

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.root).free
        if free - size < DISK_RESERVE_BYTES:
            raise Unavailable(
                f"the farm's disk has no room to join the parts of this upload: that needs {size} bytes more, and "
                f"{free} are free, of which {DISK_RESERVE_BYTES} are kept for the farm; make room and complete it again"
            )

    def _remove_stale_parts(self) -> None:
        oldest = int((time.time() - STALE_PARTS_SECONDS) * 1000)
        found = keys_in_order(self.root, prefix=PARTS, after="")
        for _, parts in groupby(found, key=lambda pair: pair[0].rpartition("/")[0]):
            heads = [head for key, entry in parts if (head := head_of_entry(key, entry)) is not None]
            if max((head.modified_at for head in heads), default=oldest) < oldest:
                for head in heads:
                    self.delete(head.key)


def _part_key(key: str, upload: str, number: int) -> str:
    """An upload's id begins with what it is for: it leads to no parts of another."""
    belongs = hashlib.sha256(checked_key(key).encode()).hexdigest()[:24]
    if not _UPLOAD.fullmatch(upload) or not upload.startswith(belongs):
        raise ObjectMismatch("there is no such upload")
    return f"{PARTS}{upload}/{number:05d}"
