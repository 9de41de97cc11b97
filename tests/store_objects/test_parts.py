"""Large uploads in parts, on both engines: joined whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import time
from pathlib import Path
from typing import IO

import pytest
import requests

from chalicelib.core.errors import AtWork, Unavailable
from chalicelib.core.ports import ObjectMismatch, ObjectStore, StoredPart
from chalicelib.store.file_lock import held_alone
from chalicelib.store.files import DISK_RESERVE_BYTES, FileObjectStore
from chalicelib.store.s3 import S3ObjectStore

PART = 5 * 1024**2
"""S3 takes no smaller ones, but the last."""
PIECES = [bytes([1]) * PART, bytes([2]) * PART, b"the rest"]
DATA = b"".join(PIECES)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


KEY = f"blobs/{digest(DATA)}"


def send(objects: ObjectStore, upload: str, number: int, data: bytes) -> StoredPart:
    """As a client does with the signed request."""
    signed = objects.sign_part(KEY, upload, number, size=len(data), sha256=digest(data), seconds=60)
    if isinstance(objects, FileObjectStore):
        path, _, query = signed.url.partition("?")
        pairs = dict(pair.split("=", 1) for pair in query.split("&"))
        grant = objects.verify("PUT", path.removeprefix("/objects/"), pairs, objects._clock.now())
        objects.put_stream(grant.key, io.BytesIO(data), size=grant.size, sha256=grant.sha256)
        return StoredPart(number, digest(data), "")
    answer = requests.put(signed.url, data=data, headers=dict(signed.headers), timeout=60)
    assert answer.status_code == 200, answer.text
    return StoredPart(number, digest(data), answer.headers["ETag"])


def complete(objects: ObjectStore, upload: str, parts: list[StoredPart], data: bytes = DATA) -> None:
    objects.complete_parts(KEY, upload, parts, size=len(data), sha256=digest(data))


def content(objects: ObjectStore) -> bytes | None:
    return objects.get(KEY)


def test_parts_sent_in_any_order_and_twice_become_one_object(objects: ObjectStore) -> None:
    upload = objects.begin_parts(KEY)
    parts = {number: send(objects, upload, number, PIECES[number - 1]) for number in (3, 1, 2, 1)}
    assert content(objects) is None
    complete(objects, upload, [parts[number] for number in (1, 2, 3)])
    assert content(objects) == DATA


def test_what_is_not_whole_is_nothing_and_can_still_be_completed(objects: ObjectStore) -> None:
    upload = objects.begin_parts(KEY)
    parts = [send(objects, upload, number, PIECES[number - 1]) for number in (1, 2)]
    with pytest.raises(ObjectMismatch):
        complete(objects, upload, [*parts, StoredPart(3, digest(PIECES[2]), '"0"')])
    assert content(objects) is None
    complete(objects, upload, [*parts, send(objects, upload, 3, PIECES[2])])
    assert content(objects) == DATA


def test_another_size_than_was_announced_is_refused(objects: ObjectStore) -> None:
    upload = objects.begin_parts(KEY)
    parts = [send(objects, upload, 1, PIECES[0])]
    with pytest.raises(ObjectMismatch):
        objects.complete_parts(KEY, upload, parts, size=len(DATA), sha256=digest(DATA))
    assert content(objects) is None


def test_an_upload_that_is_given_up_leaves_nothing_and_may_be_given_up_twice(objects: ObjectStore) -> None:
    upload = objects.begin_parts(KEY)
    send(objects, upload, 1, PIECES[0])
    for _ in range(2):
        objects.abort_parts(KEY, upload)
    assert objects.list("") == []


def test_on_one_machine_the_whole_is_held_to_its_digest(folder: FileObjectStore) -> None:
    upload = folder.begin_parts(KEY)
    part = send(folder, upload, 1, b"x" * len(DATA))
    with pytest.raises(ObjectMismatch, match="the bytes have"):
        complete(folder, upload, [part])
    assert folder.verifies_parts_together and not S3ObjectStore.verifies_parts_together


@pytest.mark.parametrize("upload", ["../../etc", "0" * 24 + "-" + "0" * 24, ""])
def test_an_upload_leads_to_no_parts_of_another(folder: FileObjectStore, upload: str) -> None:
    with pytest.raises(ObjectMismatch):
        folder.sign_part(KEY, upload, 1, size=1, sha256=digest(b"x"), seconds=60)


def test_joining_leaves_the_reserve_that_the_table_needs(
    folder: FileObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = folder.begin_parts(KEY)
    parts = [send(folder, upload, number, piece) for number, piece in enumerate(PIECES, 1)]
    usage, free = shutil.disk_usage(folder.root), DISK_RESERVE_BYTES + len(DATA) - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    with pytest.raises(Unavailable, match=f"no room to join .* needs {len(DATA)} bytes"):
        complete(folder, upload, parts)
    assert content(folder) is None and os.listdir(folder.incoming) == []
    free += 1
    complete(folder, upload, parts)
    assert content(folder) == DATA


def test_while_an_upload_is_joined_nobody_joins_it_again_or_takes_its_parts_away(folder: FileObjectStore) -> None:
    upload = folder.begin_parts(KEY)
    parts = [send(folder, upload, number, piece) for number, piece in enumerate(PIECES, 1)]
    with held_alone(folder.incoming / f"{upload}.lock"):  # as another process holds it
        with pytest.raises(AtWork, match="being joined"):
            complete(folder, upload, parts)
        with pytest.raises(AtWork, match="being joined"):
            folder.abort_parts(KEY, upload)
    complete(folder, upload, parts)
    complete(folder, upload, parts)  # who asked again while the first was answered
    assert content(folder) == DATA
    assert folder.list("parts/") == [] and os.listdir(folder.incoming) == []


def test_a_slow_upload_is_not_cut_off_while_parts_still_come(folder: FileObjectStore) -> None:
    slow, left = folder.begin_parts(KEY), folder.begin_parts(KEY)
    for upload in (slow, left):
        for number in (1, 2):
            send(folder, upload, number, PIECES[number - 1])
    days_ago = time.time() - 8 * 86_400
    for file in folder.root.glob("parts/*/*"):
        if slow not in str(file) or file.name.endswith("1"):
            os.utime(file, (days_ago, days_ago))
    folder.begin_parts(KEY)
    assert [head.key for head in folder.list("parts/")] == [f"parts/{slow}/0000{number}" for number in (1, 2)]


def test_what_was_left_goes_however_many_fresh_parts_stand_before_it(
    folder: FileObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = folder.begin_parts(KEY)
    send(folder, stale, 1, PIECES[0])
    [file] = folder.root.glob("parts/*/*")
    days_ago = time.time() - 8 * 86_400
    os.utime(file, (days_ago, days_ago))
    fresh = folder.root / "parts" / ("0" * len(stale))
    fresh.mkdir()
    for number in range(1, 10_001):
        (fresh / f"={number:05d}").touch()
    folder.begin_parts(KEY)
    assert not file.exists() and len(os.listdir(fresh)) == 10_000


def test_a_lock_whose_file_was_removed_since_it_was_opened_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = tmp_path / "upload.lock", fcntl.flock

    def after_its_holder_has_left(file: IO[bytes], operation: int) -> None:
        path.unlink()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", after_its_holder_has_left)
    with held_alone(path) as is_held:
        assert not is_held
