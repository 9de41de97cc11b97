"""Submission over HTTP: a million frames, and ten thousand written tasks of which each waits for the one before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from chalicelib.core.records.keys import INDEXES
from chalicelib.store.counting import CountingTable
from tests.bench.figures import Figure, Finding, percentile
from tests.bench.options import Options
from tests.bench.served import explicit, frames, served, submit
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable

WRITES = ("write", "update", "write_many")


def measure(options: Options) -> Iterator[Finding]:
    with served() as farm:
        submit(farm.url, "frames", frames(1_000))
        million = [_seconds(lambda: submit(farm.url, "frames", frames(1_000_000))) for _ in range(5)]
        yield Figure("submit 1,000,000 frames", percentile(million, 0.5), "s", 1.0)
        cpu = farm.cpu_seconds()
        chain = explicit(10_000, parents=1)
        chains = [_seconds(lambda: submit(farm.url, "commands", chain)) for _ in range(1 if options.quick else 3)]
        spent, median = (farm.cpu_seconds() - cpu) / len(chains), percentile(chains, 0.5)
        yield Figure("submit 10,000 tasks, each after the one before", median, "s", 5.0, note=f"{spent:.1f} s of CPU")
    yield Figure("table writes to submit 1,000,000 frames", _writes_of_a_million(), "", 19)


def _seconds(work: Callable[[], Any]) -> float:
    begun_at = time.perf_counter()
    work()
    return time.perf_counter() - begun_at


def _writes_of_a_million() -> int:
    clock = SimulatedClock()
    table = CountingTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock))
    bench = Bench(make_farm(table, clock), clock)
    bench.submit({"count": 1_000_000})
    return sum(table.requests[kind] for kind in WRITES)
