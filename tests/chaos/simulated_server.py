"""`python -m tests.chaos.simulated_server FOLDER SEED ARGUMENTS...`: a farm on a table that behaves as DynamoDB may.

Throttled and conflicting writes, lost and repeated answers, index lag, handlers that die between two calls to the
table (`tests/engines/simulated.py`), and a stream of changes that come twice, late and in pieces. The table is this
process's memory: it is not to be killed. `FOLDER/peace` ends the faults.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.chaos.clocks import skew_by
from tests.chaos.unwell_server import Untidy


class TrueClock:
    """The table's own: no index lags for a minute because the server's clock was put back."""

    def now(self) -> int:
        return time.monotonic_ns() // 1_000_000


PEACE = "peace"
LAG_MS = (0, 1500)
BATCH = 100


def main() -> int:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    skew_by(folder / "clock-server")
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args(sys.argv[3:])
    return _serve(folder, seed, options.port, options.data)


def _serve(folder: Path, seed: int, port: int, data: Path) -> int:
    from chalicelib.compilers import JOB_TYPES
    from chalicelib.config import settings_from
    from chalicelib.core import schema, sweeping
    from chalicelib.core.farm import Farm
    from chalicelib.core.records.keys import INDEXES
    from chalicelib.edge import current, log_lines
    from chalicelib.edge.clock import SystemClock
    from chalicelib.embedded.bell import PollingBell
    from chalicelib.embedded.server import EmbeddedServer
    from chalicelib.embedded.timer import Timer
    from chalicelib.handlers import stream
    from chalicelib.store.files import FileObjectStore
    from tests.engines.simulated import Crash, Faults, SimulatedTable

    class StreamedTable(SimulatedTable):
        """Notes which items got a new status, as the stream's filter lets them through."""

        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.changed: list[tuple[str, str]] = []

        def _store(self, key: Any, after: Any) -> None:
            before = self._items.get(key)
            if after is not None and after.get("status") not in (None, (before or {}).get("status")):
                self.changed.append((key.pk, key.sk))
            super()._store(key, after)

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
    )
    log_lines.set_up("text")
    clock = SystemClock()
    table = StreamedTable(INDEXES, seed, lag_ms=LAG_MS, clock=TrueClock())
    schema.stamp(table)
    objects = FileObjectStore(data / "objects", b"a secret of this round, and no more", clock=clock)
    settings = replace(settings_from({**os.environ, "MILLRACE_TABLE": "", "MILLRACE_BUCKET": ""}), data=data)
    settings = replace(settings, auth="open", delivery="stream")
    farm = Farm(table, objects, clock, PollingBell(), JOB_TYPES, settings.limits)
    current.serve(farm, settings)
    from app import app

    server = EmbeddedServer(app, objects, port=port, clock=clock)
    handle: Any = Untidy(lambda keys: stream.changed(farm, keys), random.Random(seed + 1))
    stop = threading.Event()

    def bear(step: Any) -> None:
        """As a process that dies is followed by the next."""
        try:
            step()
        except (Exception, Crash) as error:
            print(f"a handler ended: {error!r}", file=sys.stderr, flush=True)

    def deliver() -> None:
        if (folder / PEACE).exists():
            table.calm()
        batch: Sequence[tuple[str, str]] = table.changed[:BATCH]
        if batch:
            handle(batch)
            del table.changed[: len(batch)]  # one that failed comes again

    events = Timer(lambda: bear(deliver), 0.05)
    sweeps = Timer(lambda: bear(lambda: sweeping.sweep(farm, thorough=True)), 1.0)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server.start()
    table.faults = faults
    events.start()
    sweeps.start()
    print(f"ready {server.url}", flush=True)
    stop.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
