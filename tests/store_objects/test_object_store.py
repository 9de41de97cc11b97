"""What every object store does, whatever it stands on."""

from __future__ import annotations

import hashlib
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core.ports import ObjectMismatch, ObjectStore

DATA = bytes(range(256)) * 4
DIGEST = hashlib.sha256(DATA).hexdigest()


class Dripping(io.RawIOBase):
    """A source that gives a few bytes at a time, as a socket does."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._step if size < 0 else min(size, self._step))


class CutOff(io.RawIOBase):
    """A source whose sender goes away."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        if chunk := self._data.read(size):
            return chunk
        raise EOFError("the sender went away")


def test_what_was_put_is_there(objects: ObjectStore) -> None:
    before = int(time.time() * 1000) - 1000
    objects.put(f"blobs/{DIGEST}", DATA)
    head = objects.head(f"blobs/{DIGEST}")
    assert head is not None
    assert (head.key, head.size) == (f"blobs/{DIGEST}", len(DATA))
    assert before <= head.modified_at <= before + 60_000
    assert objects.get(f"blobs/{DIGEST}") == DATA


def test_what_is_missing_is_none_and_deleting_it_is_no_error(objects: ObjectStore) -> None:
    assert objects.head("blobs/none") is None
    assert objects.get("blobs/none") is None
    assert objects.open("blobs/none") is None
    assert objects.open("blobs/none", length=0) is None
    assert objects.list("blobs/") == []
    objects.delete("blobs/none")


def test_a_second_put_replaces_the_first(objects: ObjectStore) -> None:
    objects.put("logs/1/1/0", b"one")
    objects.put("logs/1/1/0", b"two, longer")
    assert objects.get("logs/1/1/0") == b"two, longer"


def test_a_deleted_object_is_gone(objects: ObjectStore) -> None:
    objects.put("logs/1/1/0", b"one")
    objects.delete("logs/1/1/0")
    assert objects.get("logs/1/1/0") is None
    assert objects.list("") == []


def test_an_empty_object_is_an_object(objects: ObjectStore) -> None:
    objects.put("outputs/empty", b"")
    assert objects.get("outputs/empty") == b""
    assert list(objects.open("outputs/empty", offset=3) or [b"missing"]) in ([], [b""])


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, None, DATA),
        (1000, None, DATA[1000:]),
        (10, 5, DATA[10:15]),
        (0, 0, b""),
        (1020, 100, DATA[1020:]),
        (len(DATA), None, b""),
        (len(DATA) + 10, 5, b""),
    ],
)
def test_a_part_of_an_object_can_be_read(
    objects: ObjectStore, offset: int, length: int | None, expected: bytes
) -> None:
    objects.put("blobs/x", DATA)
    chunks = objects.open("blobs/x", offset=offset, length=length)
    assert chunks is not None
    assert b"".join(chunks) == expected


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
def test_a_range_that_is_none_is_refused(objects: ObjectStore, offset: int, length: int | None) -> None:
    with pytest.raises(ValueError, match="counts of bytes"):
        objects.open("blobs/x", offset=offset, length=length)


@pytest.mark.parametrize("size", [0, 1, 700_000, 17 * 1024 * 1024])
def test_a_stream_is_stored_and_verified(objects: ObjectStore, size: int) -> None:
    data = hashlib.sha256(b"seed").digest() * (size // 32 + 1)
    data = data[:size]
    digest = hashlib.sha256(data).hexdigest()
    written = objects.put_stream(f"blobs/{digest}", Dripping(data, 50_001), size=size, sha256=digest)
    assert written == size
    assert objects.get(f"blobs/{digest}") == data


def test_a_stream_of_unknown_length_is_stored(objects: ObjectStore) -> None:
    assert objects.put_stream("blobs/y", io.BytesIO(DATA)) == len(DATA)
    assert objects.get("blobs/y") == DATA


@pytest.mark.parametrize("length", [1024, 17 * 1024 * 1024])
@pytest.mark.parametrize("wrong", ["shorter", "longer", "other"])
def test_bytes_that_are_not_what_was_announced_are_not_stored(objects: ObjectStore, wrong: str, length: int) -> None:
    data = b"x" * length
    size = {"shorter": length + 1, "longer": length - 1, "other": length}[wrong]
    with pytest.raises(ObjectMismatch, match="announced"):
        objects.put_stream("blobs/z", io.BytesIO(data), size=size, sha256=DIGEST)
    assert objects.head("blobs/z") is None
    assert objects.list("") == []


@pytest.mark.parametrize("length", [1024, 17 * 1024 * 1024])
def test_a_stream_that_breaks_off_leaves_the_old_object(objects: ObjectStore, length: int) -> None:
    objects.put("blobs/z", b"old")
    with pytest.raises(EOFError):
        objects.put_stream("blobs/z", CutOff(b"x" * length))
    assert objects.get("blobs/z") == b"old"
    assert [head.key for head in objects.list("")] == ["blobs/z"]


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/./b", "..", "a\\b", "a\0b", "a\nb", "x" * 2000, "\ud800"],
)
def test_a_key_that_is_no_relative_path_is_refused(objects: ObjectStore, key: str) -> None:
    for call in (objects.head, objects.get, objects.open, objects.delete):
        with pytest.raises(ValueError, match="key"):
            call(key)
    with pytest.raises(ValueError, match="key"):
        objects.put(key, b"x")
    with pytest.raises(ValueError, match="key"):
        objects.put_stream(key, io.BytesIO(b"x"))
    with pytest.raises(ValueError, match="key"):
        objects.sign_upload(key, size=1, sha256=DIGEST, seconds=60)
    with pytest.raises(ValueError, match="key"):
        objects.sign_download(key, seconds=60, content_type="text/plain")


def test_listing_is_in_key_order_and_goes_on_after_a_key(objects: ObjectStore) -> None:
    keys = ["a", "a-b", "a/b", "a/b/c", "a0", "b/%2F", "b/+x", "b/.x", "b/=x", "b/ä", f"b/{DIGEST}", f"b/{DIGEST[:3]}"]
    for key in keys:
        objects.put(key, key.encode())
    in_order = sorted(keys, key=str.encode)
    assert [head.key for head in objects.list("")] == in_order
    assert [head.size for head in objects.list("")] == [len(key.encode()) for key in in_order]
    assert [head.key for head in objects.list("", limit=5)] == in_order[:5]
    assert [head.key for head in objects.list("", after=in_order[4])] == in_order[5:]
    assert [head.key for head in objects.list("", after="a/")] == [key for key in in_order if key > "a/"]
    assert [head.key for head in objects.list("a/b")] == ["a/b", "a/b/c"]
    assert [head.key for head in objects.list("b/", after=f"b/{DIGEST[:3]}")] == [
        key for key in in_order if key.startswith("b/") and key > f"b/{DIGEST[:3]}"
    ]
    for key in keys:
        assert objects.get(key) == key.encode()


segments = st.one_of(
    st.text(alphabet="ab0-+=.%", min_size=1, max_size=3).filter(lambda text: text not in (".", "..")),
    st.sampled_from([hashlib.sha256(bytes([n])).hexdigest() for n in range(6)]),
)
key_sets = st.sets(st.lists(segments, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(keys=key_sets, prefix=st.text(alphabet="ab0-+=./", max_size=3), after=st.text(alphabet="ab0-+=./", max_size=3))
def test_any_keys_are_listed_as_sorted_text(folder: ObjectStore, keys: set[str], prefix: str, after: str) -> None:
    """On the folder, whose order is made by hand; S3 does it by itself."""
    for key in keys:
        folder.put(key, b"")
    try:
        for start in (after, min(keys)):
            expected = sorted(key for key in keys if key.startswith(prefix) and key > start)
            assert [head.key for head in folder.list(prefix, after=start)] == expected
    finally:
        for key in keys:
            folder.delete(key)


@pytest.mark.parametrize(("size", "sha256"), [(-1, DIGEST), (1, "abc"), (1, DIGEST.upper()), (1, "")])
def test_an_announcement_that_cannot_be_is_not_signed(objects: ObjectStore, size: int, sha256: str) -> None:
    with pytest.raises(ValueError, match="size|SHA-256"):
        objects.sign_upload("blobs/x", size=size, sha256=sha256, seconds=60)


def test_what_is_touched_is_as_if_stored_now_and_keeps_its_bytes(objects: ObjectStore) -> None:
    objects.put("blobs/a", DATA)
    stored = objects.head("blobs/a")
    time.sleep(1.1)  # S3 counts in seconds
    assert objects.touch("blobs/a")
    touched = objects.head("blobs/a")
    assert stored is not None and touched is not None and touched.modified_at > stored.modified_at
    assert (touched.size, objects.get("blobs/a")) == (len(DATA), DATA)


def test_what_is_not_there_cannot_be_touched(objects: ObjectStore) -> None:
    assert not objects.touch("blobs/none") and objects.head("blobs/none") is None
