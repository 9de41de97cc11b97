"""Both object stores behind one fixture. S3 is moto in this process; it checks neither signatures nor checksums."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.core.ports import ObjectStore
from chalicelib.store.files import FileObjectStore
from chalicelib.store.s3 import S3ObjectStore, client_config
from tests.engines.ministack import REGION as MINISTACK_REGION
from tests.engines.ministack import Ministack

REGION = "eu-central-1"
_numbers = itertools.count(1)


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


@pytest.fixture(scope="module")
def s3_client() -> Iterator[Any]:
    """One for all tests of a module: making it takes half a second, a new bucket nothing."""
    with mock_aws():
        yield boto3.client(
            "s3", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b", config=client_config()
        )


@pytest.fixture
def bucket(s3_client: Any) -> S3ObjectStore:
    name = f"farm-{next(_numbers)}"
    s3_client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3ObjectStore(s3_client, name)


@pytest.fixture(scope="session")
def ministack_s3(ministack: Ministack) -> Any:
    return ministack.client("s3")


@pytest.fixture
def real_bucket(ministack_s3: Any) -> S3ObjectStore:
    """On a stand-in that checks signatures, sizes and digests."""
    name = f"farm-{next(_numbers)}"
    ministack_s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": MINISTACK_REGION})
    return S3ObjectStore(ministack_s3, name)


@pytest.fixture(params=["folder", "bucket", pytest.param("real_bucket", marks=pytest.mark.full)])
def objects(request: pytest.FixtureRequest) -> ObjectStore:
    store: ObjectStore = request.getfixturevalue(request.param)
    return store
