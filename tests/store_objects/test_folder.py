"""What only the folder engine has: files, links, left-overs, adoption, its own signatures."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from chalicelib.core.errors import Forbidden, Unavailable
from chalicelib.core.ports import ObjectMismatch, SignedRequest
from chalicelib.store.files import FileObjectStore
from tests.store_objects.conftest import StillClock

DATA = b"some bytes"
DIGEST = hashlib.sha256(DATA).hexdigest()


def parts_of(signed: SignedRequest) -> tuple[str, dict[str, str]]:
    url = urlsplit(signed.url)
    assert url.path.startswith("/objects/")
    return unquote(url.path.removeprefix("/objects/")), dict(parse_qsl(url.query, strict_parsing=True))


def test_objects_survive_a_new_start(folder: FileObjectStore, clock: StillClock) -> None:
    folder.put("blobs/x", DATA)
    again = FileObjectStore(folder.root, b"a secret", clock=clock)
    assert again.get("blobs/x") == DATA


def test_a_link_out_of_the_folder_is_not_followed(folder: FileObjectStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "=secret").write_bytes(b"secret")
    (folder.root / "out").symlink_to(outside)
    (folder.root / "=link").symlink_to(outside / "=secret")
    assert folder.get("out/secret") is None
    assert folder.head("out/secret") is None
    assert folder.get("link") is None
    assert folder.list("") == []
    with pytest.raises(Unavailable, match="symbolic link"):
        folder.put("out/new", b"x")
    with pytest.raises(Unavailable, match="symbolic link"):
        folder.put("link", b"x")
    folder.delete("out/secret")
    assert sorted(path.name for path in outside.iterdir()) == ["=secret"]


def test_an_upload_left_by_a_crash_goes_a_day_later(folder: FileObjectStore, clock: StillClock) -> None:
    old, recent = folder.root / ".incoming" / "old", folder.root / ".incoming" / "recent"
    old.write_bytes(b"x")
    recent.write_bytes(b"x")
    os.utime(old, (0, 0))
    FileObjectStore(folder.root, b"a secret", clock=clock)
    assert not old.exists()
    assert recent.exists()


def test_a_spooled_file_is_adopted_without_a_copy(folder: FileObjectStore, tmp_path: Path) -> None:
    spooled = tmp_path / "spooled"
    spooled.write_bytes(DATA)
    inode = spooled.stat().st_ino
    folder.adopt(spooled, f"blobs/{DIGEST}", size=len(DATA), sha256=DIGEST)
    assert not spooled.exists()
    file = folder.open_file(f"blobs/{DIGEST}")
    assert file is not None
    with file:
        assert os.fstat(file.fileno()).st_ino == inode
        assert file.read() == DATA


def test_a_spooled_file_of_another_size_is_not_adopted(folder: FileObjectStore, tmp_path: Path) -> None:
    spooled = tmp_path / "spooled"
    spooled.write_bytes(DATA)
    with pytest.raises(ObjectMismatch, match="announced 3 bytes"):
        folder.adopt(spooled, "blobs/x", size=3, sha256=DIGEST)
    assert spooled.exists()
    assert folder.get("blobs/x") is None


def test_a_part_of_a_key_too_long_for_a_file_name_is_refused(folder: FileObjectStore) -> None:
    with pytest.raises(ValueError, match="too long"):
        folder.put("a/" + "ä" * 100, b"x")


def test_a_signed_upload_grants_exactly_what_was_signed(folder: FileObjectStore, clock: StillClock) -> None:
    signed = folder.sign_upload("blobs/a b", size=10, sha256=DIGEST, seconds=60)
    key, query = parts_of(signed)
    grant = folder.verify("PUT", key, query, clock.now())
    assert (signed.method, grant.key, grant.size, grant.sha256) == ("PUT", "blobs/a b", 10, DIGEST)


def test_a_signed_download_serves_get_and_head_and_nothing_else(folder: FileObjectStore, clock: StillClock) -> None:
    signed = folder.sign_download("blobs/x", seconds=60, content_type="video/mp4", filename='é "1".mp4')
    key, query = parts_of(signed)
    grant = folder.verify("GET", key, query, clock.now())
    assert (grant.content_type, grant.filename) == ("video/mp4", 'é "1".mp4')
    folder.verify("HEAD", key, query, clock.now())
    with pytest.raises(Forbidden):
        folder.verify("PUT", key, query, clock.now())


@pytest.mark.parametrize(
    "change",
    [
        {"size": "11"},
        {"sha256": "0" * 64},
        {"expires": "9999999999999"},
        {"content_type": "text/html"},
        {"filename": "x"},
        {"signature": "0" * 64},
        {"signature": "é"},
        {"size": "-1"},
        {"expires": "soon"},
        {"expires": "9" * 5000},
    ],
)
def test_a_changed_url_is_refused(folder: FileObjectStore, clock: StillClock, change: dict[str, str]) -> None:
    key, query = parts_of(folder.sign_upload("blobs/x", size=10, sha256=DIGEST, seconds=60))
    with pytest.raises(Forbidden):
        folder.verify("PUT", key, {**query, **change}, clock.now())


def test_another_key_and_a_missing_signature_are_refused(folder: FileObjectStore, clock: StillClock) -> None:
    key, query = parts_of(folder.sign_upload("blobs/x", size=10, sha256=DIGEST, seconds=60))
    with pytest.raises(Forbidden):
        folder.verify("PUT", "blobs/y", query, clock.now())
    with pytest.raises(Forbidden, match="signed URL"):
        folder.verify("PUT", key, {}, clock.now())


def test_a_signed_url_ends_when_it_said(folder: FileObjectStore, clock: StillClock) -> None:
    key, query = parts_of(folder.sign_upload("blobs/x", size=10, sha256=DIGEST, seconds=60))
    folder.verify("PUT", key, query, clock.now() + 59_999)
    with pytest.raises(Forbidden, match="expired"):
        folder.verify("PUT", key, query, clock.now() + 60_000)


def test_another_farms_secret_signs_nothing_here(folder: FileObjectStore, clock: StillClock, tmp_path: Path) -> None:
    key, query = parts_of(folder.sign_upload("blobs/x", size=10, sha256=DIGEST, seconds=60))
    other = FileObjectStore(tmp_path / "other", b"another secret", clock=clock)
    with pytest.raises(Forbidden):
        other.verify("PUT", key, query, clock.now())


def test_the_last_object_takes_its_folders_along(folder: FileObjectStore) -> None:
    folder.put("logs/1/1/0", b"x")
    folder.put("logs/2/1/0", b"x")
    folder.delete("logs/1/1/0")
    assert [path.name for path in (folder.root / "logs").iterdir()] == ["2"]
    folder.delete("logs/2/1/0")
    assert [path.name for path in folder.root.iterdir()] == [".incoming"]


def test_objects_come_and_go_in_one_folder_at_once(folder: FileObjectStore) -> None:
    """A put must bear that a delete of the last neighbour removes the folder beneath it."""

    def come_and_go(number: int) -> None:
        for _ in range(150):
            folder.put(f"logs/1/1/{number}", b"x")
            assert folder.get(f"logs/1/1/{number}") == b"x"
            folder.delete(f"logs/1/1/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert folder.list("") == []


def test_a_disk_that_takes_nothing_is_unavailable(folder: FileObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        folder.put("blobs/x", b"x")
    assert folder.get("blobs/x") is None
    assert os.listdir(folder.incoming) == []


PUTTER = """
import sys, time
from pathlib import Path
from chalicelib.store.files import FileObjectStore

class Clock:
    def now(self): return time.time_ns() // 1_000_000

objects = FileObjectStore(Path(sys.argv[1]), b"a secret", clock=Clock())
for number in range(10**6):
    objects.put(f"logs/{number % 7}/{number}", b"%d" % number * 5000)
    print(number, flush=True)
"""


def test_a_killed_process_leaves_what_it_acknowledged_and_nothing_half(tmp_path: Path, clock: StillClock) -> None:
    command = [sys.executable, "-c", PUTTER, str(tmp_path / "objects")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as putter:
        assert putter.stdout is not None
        lines = [putter.stdout.readline() for _ in range(100)]
        putter.kill()
        lines += putter.stdout.readlines()
    acknowledged = [int(line) for line in lines if line.endswith("\n")]
    folder = FileObjectStore(tmp_path / "objects", b"a secret", clock=clock)
    for number in acknowledged:
        assert folder.get(f"logs/{number % 7}/{number}") == b"%d" % number * 5000
    for head in folder.list("logs/"):
        number = int(head.key.rpartition("/")[2])
        assert head.size == len(b"%d" % number * 5000)
