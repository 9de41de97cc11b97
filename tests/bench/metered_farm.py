"""The whole app over a table that says what each call costs on AWS: for what measures calls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.core.records.keys import INDEXES
from tests.api.bench import Bench, serving
from tests.bench.metered import Bill, MeteredTable
from tests.engines.memory_objects import MemoryObjects
from tests.engines.simulated import SimulatedClock
from tests.store.engines import dynamo_table_with, moto_client

Bills = dict[str, Bill]
"""Of each call by its name."""


@contextmanager
def metered_farm() -> Iterator[tuple[Bench, MeteredTable]]:
    """On the DynamoDB engine, under moto."""
    clock = SimulatedClock()
    with moto_client() as client, tempfile.TemporaryDirectory() as folder:
        table = MeteredTable(dynamo_table_with(client, INDEXES), INDEXES)
        with serving(table, MemoryObjects(), clock, Path(folder)) as bench:
            yield bench, table


def as_json(found: Bills) -> dict[str, dict[str, float]]:
    """As `millrace cost` reads it."""
    return {
        name: {"requests": bill.count, "read_units": bill.read_units, "write_units": bill.write_units}
        for name, bill in found.items()
    }
