"""One process's picture of the lanes, with many threads that read it and write what it shows."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.core.model import Job
from chalicelib.core.ports import Page
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable


class Halfway(SimulatedTable):
    """Once something happens between the read of the lanes and the moment at which the reader has them."""

    happens: Callable[[], object] | None = None

    def query(self, pk: str, **how: Any) -> Page:
        page = super().query(pk, **how)
        if pk == keys.LANES and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()
        return page


def test_what_was_read_before_a_halt_is_not_kept_after_it(clock: SimulatedClock) -> None:
    """A thread that reads slowly, and one that pauses a job meanwhile."""
    table = Halfway(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    farm = make_farm(table, clock)
    table.happens = lambda: farm.registry.halt(7, 1)
    farm.registry.refresh()
    assert 7 in farm.registry.read().halted


def test_nor_does_a_producer_lose_its_own_lane(clock: SimulatedClock) -> None:
    table = Halfway(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    bench = Bench(make_farm(table, clock), clock)
    submitted: list[Job] = []
    table.happens = lambda: submitted.append(bench.submit())
    bench.farm.registry.refresh()
    assert [bench.take(bench.worker()).task.job] == [job.id for job in submitted]


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_who_asks_what_is_full_bears_that_others_leave(clock: SimulatedClock) -> None:
    registry = make_farm(SimulatedTable(INDEXES, seed=1, clock=clock), clock).registry
    done = threading.Event()

    def others() -> None:
        while not done.is_set():
            registry.note_full(range(1000))
            for job in range(1000):
                registry.note_room(job)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        for _ in range(3000):
            assert len(registry.full()) <= 1000
    finally:
        done.set()
        thread.join()
