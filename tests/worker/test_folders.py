"""From a folder to objects and a manifest: the same files give the same objects, and nothing is read twice."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.sdk import digests, folders
from millrace.sdk.digests import DigestCache, FileChanged, digest_cache
from millrace.sdk.errors import BadRequest
from millrace.sdk.folders import Packing, files_below, packed

LONG_AGO_NS = 1_600_000_000 * 10**9


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DigestCache]:
    with digest_cache(tmp_path / "cache" / "digests.sqlite") as one:
        yield one


@pytest.fixture
def root(tmp_path: Path) -> Path:
    chance = random.Random(7)
    root = tmp_path / "scene"
    for number in range(600):
        file = root / f"maps{number % 3}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chance.randbytes(50))
    (root / "large").write_bytes(chance.randbytes(300_000))
    (root / "empty").touch()
    return root


def below(root: Path) -> dict[str, Path]:
    return {path: root / path for path in files_below(root)}


def bytes_of(packing: Packing) -> dict[str, bytes]:
    """Every file as a worker would put it together, from what would be sent."""
    sent = []
    for stored, slices in zip(packing.manifest.objects, packing.sources, strict=True):
        data = b"".join(one.file.read_bytes()[one.offset : one.offset + one.size] for one in slices)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (stored.sha256, stored.size)
        sent.append(data)
    return {
        file.path: b"".join(sent[n] for n in packing.manifest.objects_of(file))[file.offset :][: file.size]
        for file in packing.manifest.files
    }


@pytest.mark.parametrize("piece_bytes", [1_000, 64 * 1024**2])
def test_all_files_can_be_put_together_again(root: Path, cache: DigestCache, piece_bytes: int) -> None:
    packing = packed(below(root), cache, piece_bytes)
    assert bytes_of(packing) == {name: file.read_bytes() for name, file in below(root).items()}
    assert len(packing.manifest.objects) < (20 if piece_bytes > 1_000 else 320)


def test_a_changed_file_changes_its_own_pack_and_not_those_behind_it(root: Path, cache: DigestCache) -> None:
    before = packed(below(root), cache).manifest.objects
    (root / "maps0" / "0.bin").write_bytes(b"other, and of another length")
    after = packed(below(root), cache).manifest.objects
    assert len(before) >= 4, "too few packs to tell"
    assert len(set(before) & set(after)) >= len(before) - 2


def test_files_from_anywhere_lie_where_they_are_said_to(root: Path, tmp_path: Path, cache: DigestCache) -> None:
    elsewhere = tmp_path / "elsewhere.bin"
    elsewhere.write_bytes(b"from another folder")
    packing = packed({"0/a/large.bin": root / "large", "1/b.bin": elsewhere, "0/c": root / "empty"}, cache)
    found = bytes_of(packing)
    assert found == {"0/a/large.bin": (root / "large").read_bytes(), "1/b.bin": b"from another folder", "0/c": b""}


def test_equal_large_files_are_one_object(root: Path, cache: DigestCache) -> None:
    before = len(packed(below(root), cache).manifest.objects)
    (root / "again").write_bytes((root / "large").read_bytes())
    assert len(packed(below(root), cache).manifest.objects) == before


def test_a_file_that_was_read_before_is_not_read_again(
    tmp_path: Path, cache: DigestCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    first = cache.of(file, 300)
    assert len(first.pieces) == 4
    reads: list[Path] = []
    really = digests._read
    monkeypatch.setattr(digests, "_read", lambda path, size: reads.append(path) or really(path, size))
    assert cache.of(file, 300) == first and reads == []
    file.write_bytes(b"y" * 1000)
    assert cache.of(file, 300).sha256 != first.sha256 and len(reads) == 1


def test_a_file_written_a_moment_ago_is_read_again(tmp_path: Path, cache: DigestCache) -> None:
    """It may be written to once more within the grain of its modification time."""
    file = tmp_path / "file"
    file.write_bytes(b"one")
    first, stamp = cache.of(file), file.stat().st_mtime_ns
    file.write_bytes(b"two")
    os.utime(file, ns=(stamp, stamp))
    assert cache.of(file) != first


def test_a_file_that_changes_meanwhile_is_named(
    root: Path, cache: DigestCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = folders._pack

    def later(named: dict[str, Path], pack: object) -> object:
        named["maps1/1.bin"].write_bytes(b"changed")
        return really(named, pack)  # type: ignore[arg-type]

    monkeypatch.setattr(folders, "_pack", later)
    with pytest.raises(FileChanged, match=r"1\.bin changed while it was read"):
        packed(below(root), cache)


def test_a_cache_that_cannot_be_used_is_done_without(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no database" * 100)
    (tmp_path / "file").write_bytes(b"x")
    with digest_cache(broken) as cache:
        assert cache.of(tmp_path / "file").sha256 == hashlib.sha256(b"x").hexdigest()


def test_a_symbolic_link_is_named_and_nothing_is_sent(root: Path) -> None:
    (root / "maps0" / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadRequest, match="link is a symbolic link"):
        files_below(root)
