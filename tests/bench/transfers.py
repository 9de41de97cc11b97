"""Large and small bytes: through the object store of one machine and its signed URLs, beside a plain copy."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.edge.clock import SystemClock
from chalicelib.store.files import FileObjectStore
from tests.bench.figures import Figure, Finding, percentile
from tests.bench.large_file import PIECE, large_file
from tests.bench.options import Options
from tests.bench.served import ROOT, Wire, served

SMALL_BYTES, THREADS = 4096, 16
RATIO = 0.9


def measure(options: Options) -> Iterator[Finding]:
    megabytes, files = (200, 1_000) if options.quick else (2_048, 10_000)
    folder = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    try:
        source, digest = large_file(folder / "source", megabytes)
        yield from _large(folder, source, digest, megabytes, 3 if options.quick else 2)
        yield from _over_http(source, digest, megabytes)
        yield from _small(folder, files)
        yield from _folder(folder, files)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _large(folder: Path, source: Path, digest: str, megabytes: int, rounds: int) -> Iterator[Finding]:
    """In turns, so that a slow second meets all. All of them end with the bytes on the disk (fsync)."""
    store = FileObjectStore(folder / "objects", b"bench", clock=SystemClock())
    copied, hashed, put, got = [], [], [], []
    for number in range(rounds):
        copied.append(_rate(megabytes, lambda: _copy(source, folder / "copy", with_hash=False)))
        hashed.append(_rate(megabytes, lambda: _copy(source, folder / "copy", with_hash=True)))
        with source.open("rb") as file:
            size = source.stat().st_size
            key = f"blobs/{number}"
            put.append(_rate(megabytes, lambda: store.put_stream(key, file, size=size, sha256=digest)))  # noqa: B023
        got.append(_rate(megabytes, lambda: _drain(store, key)))  # noqa: B023
        store.delete(key)
        (folder / "copy").unlink()
    plain, verified = percentile(copied, 0.5), percentile(hashed, 0.5)
    yield Figure("plain copy with fsync", plain, "MB/s")
    yield Figure("plain copy with SHA-256 and fsync", verified, "MB/s")
    into = percentile(put, 0.5)
    yield Figure(
        "upload through ObjectStore (files)", into, "MB/s", RATIO * plain, "more", "target: 90 % of a plain copy"
    )
    yield Figure("upload through ObjectStore, to a copy that verifies too", into / verified, "x", RATIO, "more")
    yield Figure("download through ObjectStore (files), read only", percentile(got, 0.5), "MB/s", RATIO * plain, "more")


def _over_http(source: Path, digest: str, megabytes: int) -> Iterator[Finding]:
    with served() as farm:
        wire = Wire(farm.url)
        made = wire.call("POST", "/data", {"size": source.stat().st_size, "sha256": digest})
        place, upload = urlsplit(farm.url), made["upload"]
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=600)

        def up() -> None:
            with source.open("rb") as file:
                connection.request(upload["method"], upload["url"], body=file, headers=upload["headers"])
                answer = connection.getresponse()
                answer.read()
                assert answer.status < 300, answer.status

        def down() -> None:
            connection.request("GET", f"/data/{made['id']}/blob")
            answer = connection.getresponse()
            while answer.read(PIECE):
                pass

        yield Figure("upload over HTTP to a signed URL", _rate(megabytes, up), "MB/s")
        yield Figure("download over HTTP", _rate(megabytes, down), "MB/s")
        connection.close()
        wire.close()


def _small(folder: Path, files: int) -> Iterator[Finding]:
    store = FileObjectStore(folder / "small", b"bench", clock=SystemClock())
    data = os.urandom(SMALL_BYTES)

    def put(number: int) -> None:
        store.put(f"blobs/{number:064x}", data)

    def all_of_them() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, range(files)))

    rate = _rate(files, all_of_them)
    yield Figure(f"files of 4 KB into ObjectStore (files), {THREADS} threads, each durable", rate, "1/s", 1_000, "more")


UPLOAD_FOLDER = """
import sys, time
from millrace import Farm
begun_at = time.perf_counter()
Farm(sys.argv[1]).upload_folder(sys.argv[2])
print(time.perf_counter() - begun_at)
"""


def _folder(folder: Path, files: int) -> Iterator[Finding]:
    """As a user sends them, with a job: small files go packed. A process of its own, which remembers nothing."""
    sent = folder / "sent"
    for number in range(files):
        path = sent / f"{number // 1000:03d}" / f"{number:06d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SMALL_BYTES))
    with served() as farm:
        command = [sys.executable, "-c", UPLOAD_FOLDER, farm.url, str(sent)]
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    rate = files / float(done.stdout)
    yield Figure("files of 4 KB with `Farm.upload_folder` over HTTP, packed", rate, "1/s", 1_000, "more")


def _copy(source: Path, target: Path, *, with_hash: bool) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as given, target.open("wb") as taken:
        while piece := given.read(PIECE):
            if with_hash:
                digest.update(piece)
            taken.write(piece)
        taken.flush()
        os.fsync(taken.fileno())


def _drain(store: FileObjectStore, key: str) -> None:
    for _ in store.open(key) or ():
        pass


def _rate(amount: int, work: Callable[[], object]) -> float:
    begun_at = time.perf_counter()
    work()
    return amount / (time.perf_counter() - begun_at)
