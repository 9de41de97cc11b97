"""Both object stores behind one fixture. S3 is moto in this process; it checks neither signatures nor checksums."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from chalicelib.core.ports import ObjectStore
from chalicelib.store.files import FileObjectStore
from chalicelib.store.s3 import S3ObjectStore, client_config

BUCKET = "farm-objects"


class StillClock:
    """Time that moves only when a test says so."""

    def __init__(self) -> None:
        self.milliseconds = 1_800_000_000_000

    def now(self) -> int:
        return self.milliseconds


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def folder(tmp_path: Path, clock: StillClock) -> FileObjectStore:
    return FileObjectStore(tmp_path / "objects", b"a secret", clock=clock)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3ObjectStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="eu-central-1", config=client_config())
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield S3ObjectStore(client, BUCKET)


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest) -> ObjectStore:
    store: ObjectStore = request.getfixturevalue(request.param)
    return store
