"""The engines under test, each with the same small set of indexes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.ports import Table
from chalicelib.store.sqlite import SqliteTable
from tests.engines.ministack import Ministack
from tests.engines.simulated import SimulatedTable
from tests.store.engines import INDEXES, dynamo_table, moto_client


@pytest.fixture(scope="module")
def dynamo_client() -> Iterator[Any]:
    with moto_client() as client:
        yield client


@pytest.fixture(scope="session")
def ministack_client(ministack: Ministack) -> Any:
    return ministack.client("dynamodb")


@pytest.fixture(params=["sqlite", "dynamo", "simulated", pytest.param("ministack", marks=pytest.mark.full)])
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
        case _:
            yield SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteTable]:
    table = SqliteTable(tmp_path / "farm.db", INDEXES)
    yield table
    table.close()
