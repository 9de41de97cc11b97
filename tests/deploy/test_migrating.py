"""A farm moves from one machine to AWS's engines (moto), with jobs that are done, under way and waiting."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.bootstrap import aws_farm, embedded_farm
from chalicelib.config import Settings
from chalicelib.core import blobs, claiming, jobs, leases, sweeping, workers
from chalicelib.core.farm import Farm
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Worker
from chalicelib.core.records.keys import INDEXES
from chalicelib.embedded.election import Election
from chalicelib.store.dynamo import create_table
from chalicelib.store.sqlite import SqliteTable
from deploy import migrating
from deploy.errors import DeployFailed, WrongUse
from deploy.migrating import migrate

LARGE = bytes(range(256)) * 4096 * 17


@pytest.fixture(autouse=True)
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "AT_ONCE", 1)  # moto loses concurrent writes


@pytest.fixture
def above(tmp_path: Path) -> Iterator[Farm]:
    with mock_aws():
        session = boto3.session.Session(region_name="us-east-1")
        create_table(session.client("dynamodb"), "farm", INDEXES)
        session.client("s3").create_bucket(Bucket="farm")
        yield aws_farm(Settings(tmp_path, "farm", "farm"), session)


@pytest.fixture
def below(tmp_path: Path) -> Iterator[Farm]:
    farm = embedded_farm(Settings(data=tmp_path / "data"))
    yield farm
    assert isinstance(farm.table, SqliteTable)
    farm.table.close()


def submit(farm: Farm, *names: str) -> int:
    command = {"name": "echo", "settings": {"message": "x"}}
    tasks = [{"name": name, "task_type": "sleep", "commands": [command]} for name in names]
    return jobs.submit(farm, jobs.Submission(names[0], "commands", {"tasks": tasks})).id


def take(farm: Farm, worker: Worker, request: str) -> Assignment:
    [one] = claiming.claim(farm, worker, request).assignments
    return one


def end(farm: Farm, one: Assignment) -> None:
    leases.report(farm, one.lease.worker, one.task.id, one.lease.generation, leases.Report(Outcome.COMPLETED, 0, None))


def test_a_farm_goes_on_where_it_stopped(below: Farm, above: Farm, tmp_path: Path) -> None:
    worker, _ = workers.register(below, workers.Description("w", task_types=("sleep",)), with_secret=True)
    done = submit(below, "done")
    end(below, take(below, worker, "r1"))
    under_way = submit(below, "held", "next")
    held = take(below, worker, "r2")
    blob = blobs.store_bytes(below, LARGE)
    told: list[str] = []
    migrate(tmp_path / "data", above, told.append)
    assert told[-1] == "Everything is there."
    assert jobs.get(above, done) == jobs.get(below, done)
    assert hashlib.sha256(above.objects.get(blob.object_key) or b"").hexdigest() == blob.sha256
    sweeping.sweep(above, thorough=True)
    same = above.workers.get(worker.id)
    assert same is not None
    end(above, take(above, same, "r3"))
    end(above, held)  # the worker reports to the farm above what it was given by the one below
    sweeping.sweep(above, thorough=True)
    assert jobs.get(above, under_way).status == "completed"


def test_a_copy_that_broke_off_goes_on(
    below: Farm, above: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(below, *(f"t{number}" for number in range(20)))
    copied: list[Any] = []

    def breaks(farm: Farm, item: Any) -> bool:
        if len(copied) == 7:
            raise ConnectionError("the line is down")
        copied.append(item)
        return whole(farm, item)

    whole = migrating._copy_item
    monkeypatch.setattr(migrating, "_copy_item", breaks)
    with pytest.raises(ConnectionError):
        migrate(tmp_path / "data", above, lambda _: None)
    assert above.jobs.page(None, 1, None)[0] == []  # jobs come last: nobody could have settled half of one
    monkeypatch.setattr(migrating, "_copy_item", whole)
    told: list[str] = []
    migrate(tmp_path / "data", above, told.append)
    migrate(tmp_path / "data", above, told.append)
    assert told[-2:] == ["Copied 0 items.", "Everything is there."]


def test_a_running_farm_is_left_alone(below: Farm, above: Farm, tmp_path: Path) -> None:
    running = Election(tmp_path / "data" / "elected.lock", lambda: None, lambda: None)
    running.start()
    with pytest.raises(DeployFailed, match="a farm is running on"):
        migrate(tmp_path / "data", above, lambda _: None)
    running.stop()


def test_a_farm_with_jobs_of_its_own_is_not_mixed_with_another(below: Farm, above: Farm, tmp_path: Path) -> None:
    submit(above, "its own")
    with pytest.raises(DeployFailed, match="has jobs of its own already"):
        migrate(tmp_path / "data", above, lambda _: None)


def test_two_farms_do_not_go_into_one(below: Farm, above: Farm, tmp_path: Path) -> None:
    migrate(tmp_path / "data", above, lambda _: None)
    other = embedded_farm(Settings(data=tmp_path / "other"))
    with pytest.raises(DeployFailed, match="from another farm's data"):
        migrate(tmp_path / "other", above, lambda _: None)
    assert isinstance(other.table, SqliteTable)
    other.table.close()


def test_another_folder_is_named(above: Farm, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="there is no farm.db in it"):
        migrate(tmp_path, above, lambda _: None)
