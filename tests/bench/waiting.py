"""500 workers in a long poll: what they cost while nothing happens, and how soon one of them has a task that comes."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator

from tests.bench.figures import Figure, Finding, percentile
from tests.bench.options import Options
from tests.bench.served import Served, Worker, explicit, served, submit

WORKERS = 500
WAIT_SECONDS = 25


def measure(options: Options) -> Iterator[Finding]:
    with served() as farm:
        memory = farm.memory_bytes()
        crew = [Worker(farm.url, f"waiting-{number}") for number in range(WORKERS)]
        with selectors.DefaultSelector() as selector:
            for worker in crew:
                selector.register(worker.wire.socket, selectors.EVENT_READ, worker)
                worker.ask(1, timeout=WAIT_SECONDS)
            time.sleep(3)  # the last of them has its registration behind it
            yield from _idle(farm, 5 if options.quick else 15)
            yield Figure("memory for 500 waiting workers", (farm.memory_bytes() - memory) / 1e6, "MB")
            yield from _latency(farm, selector, 20 if options.quick else 200)


def _idle(farm: Served, seconds: float) -> Iterator[Finding]:
    """The time in which no poll ends: the first ones began at most a few seconds ago and last 25."""
    before, begun_at = farm.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    share = (farm.cpu_seconds() - before) / (time.monotonic() - begun_at)
    yield Figure("500 workers waiting: CPU of the server", share * 100, "% of a core", 5.0)


def _latency(farm: Served, selector: selectors.BaseSelector, samples: int) -> Iterator[Finding]:
    """From before the job is sent until a worker has its task; other polls end and begin anew meanwhile."""
    times: list[float] = []
    for number in range(samples):
        begun_at = time.perf_counter()
        submit(farm.url, "commands", explicit(1), f"latency {number}")
        while not (got_at := _somebody_got(selector)):
            pass
        times.append((got_at - begun_at) * 1000)
    yield Figure("submit to claimed, 500 workers waiting: p50", percentile(times, 0.5), "ms")
    yield Figure("submit to claimed, 500 workers waiting: p99", percentile(times, 0.99), "ms", 50.0)


def _somebody_got(selector: selectors.BaseSelector) -> float | None:
    """When a task arrived, if one did. Whoever was answered asks again."""
    got_at = None
    for ready, _ in selector.select(timeout=1):
        worker: Worker = ready.data
        if worker.hear():
            got_at = time.perf_counter()
        worker.ask(1, timeout=WAIT_SECONDS)
    return got_at
