"""`python -m tests.chaos.simulated_server FOLDER SEED [--dynamo URL] ARGUMENTS...`: a farm on a table that behaves as
DynamoDB may, with a stream of changes that come twice, late and in pieces.

With `--dynamo` the table is `store/dynamo` and boto3, as on Lambda, and what behaves so is the service at that address
(`dynamo_process.py`), which outlives this process: `FOLDER/die-after` and any kill may end it.

Without, it is `tests/engines/simulated.py` in place of `store/dynamo`: it tells the core of every trouble, where boto3
and `store/dynamo` would have got over most; and handlers die between two calls to the table. It is this process's
memory: it is not to be killed. `FOLDER/peace` ends the faults.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests.chaos.clocks import skew_by
from tests.chaos.unwell_server import DIE_AFTER, Untidy, mortal

if TYPE_CHECKING:
    from chalicelib.config import Settings
    from chalicelib.core.ports import Table
    from tests.engines.streamed_table import StreamedTable


class TrueClock:
    """The table's own: no index lags for a minute because the server's clock was put back."""

    def now(self) -> int:
        return time.monotonic_ns() // 1_000_000


PEACE = "peace"
LAG_MS = (0, 1500)
BATCH = 100
Changed = tuple[str, str]


class Stream(Protocol):
    """What has changed and is not handled yet, oldest first."""

    def next(self) -> Sequence[Changed]: ...

    def handled(self, number: int) -> None: ...


def main() -> int:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    skew_by(folder / "clock-server")
    parser = argparse.ArgumentParser()
    parser.add_argument("--dynamo")
    parser.add_argument("--port", type=int)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args(sys.argv[3:])
    return _serve(folder, seed, options.port, options.data, options.dynamo)


def _serve(folder: Path, seed: int, port: int, data: Path, dynamo: str | None) -> int:
    from chalicelib.compilers import JOB_TYPES
    from chalicelib.config import settings_from
    from chalicelib.core import sweeping
    from chalicelib.core.farm import Farm
    from chalicelib.edge import current, log_lines
    from chalicelib.edge.clock import SystemClock
    from chalicelib.embedded.bell import PollingBell
    from chalicelib.embedded.server import EmbeddedServer
    from chalicelib.embedded.signals import stop_signal
    from chalicelib.embedded.timer import Timer
    from chalicelib.handlers import stream
    from chalicelib.store.files import FileObjectStore
    from tests.engines.simulated import Crash

    log_lines.set_up("text")
    clock = SystemClock()
    settings = replace(settings_from({**os.environ, "MILLRACE_TABLE": "", "MILLRACE_BUCKET": ""}), data=data)
    settings = replace(settings, auth="open", delivery="stream")
    objects = FileObjectStore(data / "objects", b"a secret of this round, and no more", clock=clock)
    table, changes, begin = _distant(dynamo, settings, folder) if dynamo else _near(seed, folder)
    farm = Farm(table, objects, clock, PollingBell(), JOB_TYPES, settings.limits)
    current.serve(farm, settings)
    from app import app

    server = EmbeddedServer(app, objects, port=port, clock=clock)
    handle: Any = Untidy(lambda keys: stream.changed(farm, keys), random.Random(seed + 1))
    stop = stop_signal()

    def bear(step: Any) -> None:
        """As a process that dies is followed by the next."""
        try:
            step()
        except (Exception, Crash) as error:
            print(f"a handler ended: {error!r}", file=sys.stderr, flush=True)

    def deliver() -> None:
        batch = changes.next()
        if batch:
            handle(batch)
            changes.handled(len(batch))  # one that failed comes again

    events = Timer(lambda: bear(deliver), 0.05)
    sweeps = Timer(lambda: bear(lambda: sweeping.sweep(farm, thorough=True)), 1.0)
    server.start()
    begin()
    events.start()
    sweeps.start()
    print(f"ready {server.url}", flush=True)
    stop.wait()
    server.stop()
    return 0


def _near(seed: int, folder: Path) -> tuple[Table, Stream, Callable[[], None]]:
    """A table in this process, its stream, and what begins the faults."""
    from chalicelib.core import schema
    from chalicelib.core.records.keys import INDEXES
    from tests.engines.simulated import Faults
    from tests.engines.streamed_table import StreamedTable

    choice = random.Random(seed)
    often = choice.choice([0.002, 0.01])
    faults = Faults(
        lost_answer=often,
        repeated=often,
        refused=often,
        conflict=choice.choice([0.0, 0.3]),
        unreadable=often,
        crash=often / 4,
        partition_writes_per_second=choice.choice([None, 30]),
        short_page=choice.choice([0.0, 0.2]),
    )
    table = StreamedTable(INDEXES, seed, lag_ms=LAG_MS, clock=TrueClock())
    schema.stamp(table)

    def begin() -> None:
        table.faults = faults

    return table, _OwnStream(table, folder / PEACE), begin


class _OwnStream:
    def __init__(self, table: StreamedTable, peace: Path) -> None:
        self._table, self._peace = table, peace

    def next(self) -> Sequence[Changed]:
        if self._peace.exists():
            self._table.calm()
        return self._table.changed[:BATCH]

    def handled(self, number: int) -> None:
        del self._table.changed[:number]


def _distant(url: str, settings: Settings, folder: Path) -> tuple[Table, Stream, Callable[[], None]]:
    """The table as Lambda has it, at that address; this process may be one of many that come and go."""
    from chalicelib.bootstrap import aws_farm
    from chalicelib.core import schema
    from chalicelib.core.ports import TableUnavailable
    from chalicelib.store.dynamo import DynamoTable
    from tests.engines import dynamo_door

    os.environ.update(dynamo_door.environment(url))
    DynamoTable._call = mortal(DynamoTable._call, folder / DIE_AFTER)  # type: ignore[method-assign]
    table = aws_farm(replace(settings, table=dynamo_door.TABLE, bucket="none")).table
    while True:
        try:
            schema.stamp(table)
            break
        except TableUnavailable as error:  # the next start of a function
            print(f"not yet: {error}", file=sys.stderr, flush=True)
    return table, _DistantStream(url), lambda: _post(f"{url}/trouble", {})


class _DistantStream:
    """Its place is kept by the service: it outlives this process."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/stream"

    def next(self) -> Sequence[Changed]:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            return [(pk, sk) for pk, sk in json.load(answer)]

    def handled(self, number: int) -> None:
        _post(self._url, {"handled": number})


def _post(url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request, timeout=10).close()


if __name__ == "__main__":
    sys.exit(main())
