"""Uploads on slow and broken lines, of files that change meanwhile, and by people who change their minds."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from millrace import Farm
from millrace.files.manifest import StoredObject
from millrace.sdk import folders
from millrace.sdk.errors import BadRequest, Unreachable
from millrace.sdk.sending import Body, Slice
from tests.cli.stub_farm import StubFarm

SHORT_SECONDS = 0.4


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def hasty(stub: StubFarm) -> Farm:
    return Farm(stub.url, patience_seconds=SHORT_SECONDS)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Ten files, each of them an object."""
    root = tmp_path / "scene"
    root.mkdir()
    for number in range(10):
        (root / f"{number:02}.bin").write_bytes(bytes([number]) * (folders.PACKED_BYTES + 1))
    return root


def upload_file(farm: Farm, scene: Path) -> str:
    return farm.upload(scene / "00.bin")


def upload_folder(farm: Farm, scene: Path) -> str:
    return farm.upload_folder(scene)


WAYS = pytest.mark.parametrize("upload", [upload_file, upload_folder])


@WAYS
@pytest.mark.parametrize("what", ["drop", "AccessDenied"])
def test_what_goes_well_for_longer_than_our_patience_may_break_off(
    stub: StubFarm, hasty: Farm, scene: Path, upload: Callable[[Farm, Path], str], what: str
) -> None:
    """And so may each try that got farther. A signed request that is too old is signed anew."""
    breaks = iter([what])

    def break_late() -> None:
        time.sleep(SHORT_SECONDS * 1.5)
        if (trouble := next(breaks, None)) is not None:
            stub.trouble.append(trouble)

    stub.before_upload = break_late
    assert upload(hasty, scene) in stub.blobs


@WAYS
@pytest.mark.parametrize(("what", "says"), [("drop", "connection broke"), ("AccessDenied", "403"), (503, "503")])
def test_what_gets_no_farther_for_too_long_says_why(
    stub: StubFarm, hasty: Farm, scene: Path, upload: Callable[[Farm, Path], str], what: int | str, says: str
) -> None:
    stub.before_upload = lambda: stub.trouble.appendleft(what)
    with pytest.raises(Unreachable, match=says):
        upload(hasty, scene)


@WAYS
@pytest.mark.parametrize("what", ["RequestTimeout", "ExpiredToken"])
def test_what_s3_calls_a_bad_request_and_is_none_is_sent_again(
    stub: StubFarm, farm: Farm, scene: Path, upload: Callable[[Farm, Path], str], what: str
) -> None:
    breaks = iter([what])
    stub.before_upload = lambda: stub.trouble.extend(breaks)
    assert upload(farm, scene) in stub.blobs


def test_a_manifest_whose_signed_request_is_too_old_is_sent_with_a_new_one(
    stub: StubFarm, hasty: Farm, scene: Path
) -> None:
    def at_the_manifest() -> None:
        if stub.requested("PUT .*") == 11:
            time.sleep(SHORT_SECONDS * 1.5)
            stub.trouble.append("AccessDenied")

    stub.before_upload = at_the_manifest
    assert hasty.upload_folder(scene) in stub.blobs and stub.requested("PUT .*") == 12


def test_a_download_that_went_well_for_longer_than_our_patience_may_break_off(
    stub: StubFarm, hasty: Farm, tmp_path: Path
) -> None:
    job = stub.add_job(status="completed")
    stub.add_output(job, "movie.mp4", b"frames" * 300_000)
    stub.half_contents = 1

    def slowly(done: int, size: int) -> None:
        time.sleep(SHORT_SECONDS)

    assert hasty.download(job, tmp_path, slowly)[0].read_bytes() == b"frames" * 300_000


def test_no_more_is_signed_at_once_than_an_hour_suffices_for() -> None:
    objects = [StoredObject(f"{number:064}", 64 * 1024**2) for number in range(1_000)]
    batches = list(folders._batches(objects))
    assert [one for batch in batches for one in batch] == objects
    assert max(sum(one.size for one in batch) for batch in batches) <= folders.BYTES_AT_ONCE
    small = [StoredObject(f"{number:064}", 1) for number in range(2_500)]
    assert [len(batch) for batch in folders._batches(small)] == [1_000, 1_000, 500]
    assert [len(batch) for batch in folders._batches([StoredObject("0" * 64, folders.BYTES_AT_ONCE + 1)] * 2)] == [1, 1]


def test_who_interrupts_an_upload_need_not_wait_for_the_rest_of_it(stub: StubFarm, farm: Farm, scene: Path) -> None:
    several = threading.Semaphore(0)
    go_on = threading.Event()

    def held() -> None:
        several.release()
        go_on.wait(20)

    def interrupt() -> None:
        for _ in range(folders.PARALLEL):
            several.acquire(timeout=20)
        os.kill(os.getpid(), signal.SIGINT)

    stub.before_upload = held
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            farm.upload_folder(scene)
        assert not go_on.is_set() and stub.requested("PUT .*") == folders.PARALLEL
    finally:
        go_on.set()


def test_a_file_that_shrinks_while_it_is_sent_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"x" * 3_000_000)
    body = Body([Slice(file, 0, 3_000_000)])
    body.read(8192)
    os.truncate(file, 1_500_000)
    with pytest.raises(BadRequest, match="a.bin became shorter"):
        while body.read(8192):
            pass
    body.close()


@WAYS
@pytest.mark.parametrize(
    "change", [lambda file: os.truncate(file, 9), Path.unlink, lambda file: file.write_bytes(b"y")]
)
def test_a_file_that_is_another_by_the_time_it_is_sent_is_named(
    stub: StubFarm, farm: Farm, scene: Path, upload: Callable[[Farm, Path], str], change: Callable[[Path], object]
) -> None:
    def before_it_is_sent(request: str) -> None:
        if request.startswith("POST /api/v1/blobs") and (scene / "00.bin").exists():
            change(scene / "00.bin")

    stub.after_request = before_it_is_sent
    with pytest.raises(BadRequest, match="00.bin"):
        upload(farm, scene)
    assert hashlib.sha256(bytes(folders.PACKED_BYTES + 1)).hexdigest() not in stub.blobs
