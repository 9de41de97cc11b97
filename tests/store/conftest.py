"""The engines under test, each with the same small set of indexes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.core.ports import Table
from chalicelib.store.dynamo import DynamoTable, client_config
from chalicelib.store.sqlite import SqliteTable
from tests.engines import dynamo_door
from tests.engines.dynamo_service import DynamoService
from tests.engines.ministack import Ministack
from tests.engines.simulated import SimulatedTable
from tests.store.engines import INDEXES, dynamo_table, moto_client


@pytest.fixture(scope="module")
def dynamo_client() -> Iterator[Any]:
    with moto_client() as client:
        yield client


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[dynamo_door.Door, Any]]:
    """The door of a simulated DynamoDB, and boto3's client of it as the farm makes it."""
    with dynamo_door.opened(empty_service()) as door:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        yield (
            door,
            boto3.client(  # type: ignore[call-overload]
                "dynamodb", region_name=dynamo_door.REGION, endpoint_url=door.url, config=client_config(), **keys
            ),
        )


def empty_service() -> DynamoService:
    return DynamoService(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0)), dynamo_door.TABLE, seed=1)


@pytest.fixture(scope="session")
def ministack_client(ministack: Ministack) -> Any:
    return ministack.client("dynamodb")


@pytest.fixture(params=["sqlite", "dynamo", "simulated", "service", pytest.param("ministack", marks=pytest.mark.full)])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    """An empty table of each engine in turn."""
    match request.param:
        case "sqlite":
            sqlite = SqliteTable(tmp_path / "farm.db", INDEXES)
            yield sqlite
            sqlite.close()
        case "dynamo":
            yield dynamo_table(request.getfixturevalue("dynamo_client"))
        case "ministack":
            yield dynamo_table(request.getfixturevalue("ministack_client"))
        case "service":
            door, client = request.getfixturevalue("service")
            door.service = empty_service()
            yield DynamoTable(client, dynamo_door.TABLE, INDEXES)
        case _:
            yield SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteTable]:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    yield table
    table.close()
