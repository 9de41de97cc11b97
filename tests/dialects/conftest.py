"""What the tests of every room stand on: a farm on one machine that a room is served from, and one on AWS."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
import requests
from chalice import Blueprint, Chalice
from moto import mock_aws

from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.model import Job, Task
from chalicelib.core.records.keys import INDEXES
from chalicelib.edge import current
from chalicelib.edge.middleware import install
from chalicelib.embedded.bell import LocalBell, PollingBell
from chalicelib.embedded.server import EmbeddedServer
from chalicelib.store.dynamo import DynamoTable, create_table
from chalicelib.store.files import FileObjectStore
from chalicelib.store.s3 import S3ObjectStore
from chalicelib.store.sqlite import SqliteTable


class MovableClock:
    """Real time, moved forward when a test wants something to be over."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def pass_seconds(self, seconds: float) -> None:
        self.ahead_ms += int(seconds * 1000)


def app_of(name: str, *rooms: Blueprint) -> Chalice:
    """These rooms alone, with what the real app installs for every room."""
    app = Chalice(app_name=name)
    install(app)
    for room in rooms:
        app.register_blueprint(room)
    return app


@dataclass
class ServedFarm:
    """What every room's tests do with the farm that answers at `url`."""

    farm: Farm
    url: str
    clock: MovableClock
    session: requests.Session = field(default_factory=requests.Session)
    answer_seconds: ClassVar[float] = 30
    """How long whoever calls waits for an answer."""

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        timeout = self.answer_seconds
        return self.session.request(method, self.url + path, allow_redirects=False, timeout=timeout, **options)

    def task_of(self, job: Job) -> Task:
        """The first of the job's tasks, as it is now."""
        found = self.farm.tasks.get(job.first_task)
        assert found is not None
        return found


@contextmanager
def served(app: Chalice, farm: Farm) -> Iterator[str]:
    """This process's farm behind the real embedded server; its URL."""
    assert isinstance(farm.objects, FileObjectStore) and isinstance(farm.bell, LocalBell)
    server = EmbeddedServer(app, farm.objects, clock=farm.clock, on_stop=[farm.bell.close])
    server.start()
    try:
        yield server.url
    finally:
        server.stop(1.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, auth="open", delivery="stream")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def farm(tmp_path: Path, settings: Settings, clock: MovableClock) -> Iterator[Farm]:
    """The farm of this process, in a folder."""
    bell = LocalBell()
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    objects = FileObjectStore(tmp_path / "objects", b"a secret", clock=clock)
    farm = Farm(table, objects, clock, bell, JOB_TYPES, Limits(), random.Random(1))
    current.serve(farm, settings)
    yield farm
    current.forget()
    bell.close()
    table.close()


@pytest.fixture
def aws_farm(tmp_path: Path) -> Iterator[Farm]:
    """The farm of this process, on DynamoDB and S3 under moto, as on Lambda."""
    with mock_aws():
        dynamo, s3 = boto3.client("dynamodb"), boto3.client("s3")
        create_table(dynamo, "farm", INDEXES)
        s3.create_bucket(Bucket="farm", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        table, objects = DynamoTable(dynamo, "farm", INDEXES), S3ObjectStore(s3, "farm")
        farm = Farm(table, objects, MovableClock(), PollingBell(), JOB_TYPES)
        current.serve(farm, Settings(data=tmp_path, table="farm", bucket="farm", delivery="redirect"))
        yield farm
        current.forget()
