"""`python -m tests.chaos.dynamo_process FOLDER SEED`: the DynamoDB of a round, which outlives the farm's server.

What it does to its callers follows from the seed (`tests/engines/dynamo_service.py`), from the moment the farm is open
(`POST /trouble`) until there is `FOLDER/peace`. Besides DynamoDB's own calls:

    GET /stream, POST /stream   what of the stream is still to be handled, and how much was: its place is kept here, as
                                AWS keeps it for the functions it calls
    GET /struck                 what was done to the callers, counted
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from pathlib import Path

from chalicelib.core.records.keys import INDEXES
from chalicelib.embedded.signals import stop_signal
from tests.chaos.simulated_server import BATCH, LAG_MS, PEACE, TrueClock
from tests.engines.dynamo_door import TABLE, Door, Handler
from tests.engines.dynamo_service import DynamoService, ServiceFaults
from tests.engines.simulated import Faults
from tests.engines.streamed_table import StreamedTable


def main() -> int:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    door = RoundsDoor(random.Random(seed), seed, folder / PEACE)
    threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
    stop = stop_signal()
    print(f"ready {door.url}", flush=True)
    while not stop.wait(0.1):
        if (folder / PEACE).exists():
            door.calm()
    return 0


class RoundsDoor(Door):
    def __init__(self, choice: random.Random, seed: int, peace: Path) -> None:
        self.table = StreamedTable(INDEXES, seed, lag_ms=LAG_MS, clock=TrueClock())
        super().__init__(DynamoService(self.table, TABLE, seed), RoundsHandler)
        self._peace = peace
        often = choice.choice([0.005, 0.03])
        self._of_the_service = ServiceFaults(
            throttled=choice.choice([often, 0.1]),
            failed=often,
            lost=often,
            conflict=choice.choice([0.0, 0.1, 0.3]),
            in_part=choice.choice([0.1, 0.5]),
            spells=choice.random() < 0.5,
        )
        self._of_the_table = Faults(
            short_page=choice.choice([0.05, 0.3]), partition_writes_per_second=choice.choice([None, 30])
        )

    def trouble(self) -> None:
        if not self._peace.exists():
            self.service.faults, self.table.faults = self._of_the_service, self._of_the_table

    def calm(self) -> None:
        self.service.faults = ServiceFaults()
        self.table.calm()

    @property
    def struck(self) -> Counter[str]:
        return self.service.struck + self.table.struck


class RoundsHandler(Handler):
    server: RoundsDoor

    def do_GET(self) -> None:
        self.say(200, self.server.struck if self.path == "/struck" else self.server.table.changed[:BATCH])

    def do_POST(self) -> None:
        if self.path == "/":
            super().do_POST()
            return
        body = self.body()
        if self.path == "/trouble":
            self.server.trouble()
        else:
            del self.server.table.changed[: body["handled"]]
        self.say(200, {})


if __name__ == "__main__":
    sys.exit(main())
