"""Too much at once: what is put off and what is not, and how the farm comes back by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from chalicelib.edge.urgency import Urgency
from chalicelib.embedded.admission import LONGEST_LINE
from millrace import Farm
from tests.bench.served import served
from tests.chaos.checker import violations
from tests.chaos.history import Run, ending_of
from tests.load.eager import EagerReaders, stopped_clients
from tests.load.fleet import Fleet, Pace
from tests.load.tally import Tally, percentile

TASKS = 400
WORKERS = 40
READERS = LONGEST_LINE[Urgency.ASKED] + 100
"""More than may stand in line for reading."""
NORMAL_MS = 1000
"""What half of the calls take, and far more than they take: the machine may be busy with something else."""


@pytest.mark.timeout(300)
def test_too_many_readers_are_told_to_come_back_while_work_goes_on_and_then_all_is_as_before() -> None:
    with served() as farm:
        client = Farm(farm.url)
        job = client.submit("frames", {"frames": f"1-{TASKS}", "command": ["true", "{frame}"]}, name="load")
        fleet, readers, after = asyncio.run(_story(farm.url))
        client.wait(job, timeout=60)
        ending = ending_of(client)
    assert set(readers.statuses) == {200, 503}
    assert all(pause is not None and 1 <= pause <= 60 for pause in readers.told)
    assert fleet.tally.troubles == []
    assert not fleet.tally.refused.keys() & {"renew", "log", "sign-on"}
    assert len(fleet.tally.completed) == TASKS
    assert violations(fleet.tally.history or (), [job.id], ending, Run(())) == []
    assert after.refused == {} and percentile(after.times_ms, 0.5) < NORMAL_MS


async def _story(url: str) -> tuple[Fleet, EagerReaders, Tally]:
    """Work under a flood of reading; then the flood ends, and the rest of the work."""
    fleet, readers = Fleet(url, Pace(task_seconds=0.3), Tally(history=[])), EagerReaders(url, READERS)
    await fleet.grow(WORKERS, 0.5)
    readers.begin()
    stopped = stopped_clients(url, 40)
    await _until(lambda: readers.statuses[503] > 200 and len(fleet.tally.completed) >= TASKS / 4)
    await readers.end()
    await _until(lambda: len(fleet.tally.completed) >= TASKS / 2)
    mark = fleet.tally.copy()
    await _until(lambda: len(fleet.tally.completed) == TASKS)
    after = fleet.tally.since(mark)
    for client in stopped:
        client.close()
    await fleet.end()
    return fleet, readers, after


async def _until(holds: object, seconds: float = 120.0) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the farm did not get on with its work"
        await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
def test_clients_that_stand_still_hold_no_place(tmp_path: Path) -> None:
    """More of them than there are places, half way in a body or before an answer that they do not read."""
    with served() as farm:
        stopped = stopped_clients(farm.url, 80)
        try:
            client = Farm(farm.url, patience_seconds=0)
            for _ in range(20):
                assert client.info().counts["open_jobs"] == 0
        finally:
            for one in stopped:
                one.close()
