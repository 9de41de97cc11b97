"""Complete-and-claim over HTTP keep-alive: 16 workers, one task each and batches of ten."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.bench import load
from tests.bench.figures import Figure, Finding
from tests.bench.options import Options
from tests.bench.served import Served, explicit, frames, served, submit

WORKERS = 16
JOB_TASKS = 10_000
"""The most that one job of written tasks has."""


def measure(options: Options) -> Iterator[Finding]:
    for processes in sorted({1, os.cpu_count() or 1}):
        with served(*(["--processes", str(processes)] if processes > 1 else [])) as farm:
            submit(farm.url, "frames", frames(1_000_000))
            yield from _cycles(farm, options, f"large step, {_many(processes)}", is_held=True)
        with served(*(["--processes", str(processes)] if processes > 1 else [])) as farm:
            for number in range(2 if options.quick else 8):
                submit(farm.url, "commands", explicit(JOB_TASKS), f"bench {number}")
            yield from _cycles(farm, options, f"written tasks, {_many(processes)}", is_held=False)


def _cycles(farm: Served, options: Options, where: str, *, is_held: bool) -> Iterator[Finding]:
    """The targets are held against the default, one process, and against as many as there are cores, as they allow."""
    seconds = 3 if options.quick else 10
    for batch, target in ((1, 1_000), (10, 5_000)):
        before = farm.cpu_seconds()
        done = load.run(farm.url, workers=WORKERS, batch=batch, seconds=seconds if batch == 1 else seconds / 2)
        spent = farm.cpu_seconds() - before
        what = "one task each" if batch == 1 else f"batches of {batch}"
        wanted = target if is_held else None
        yield Figure(f"tasks a second, {what}: {where}", done.tasks / done.seconds, "1/s", wanted, "more")
        yield Figure(f"call p50, {what}: {where}", done.p50_ms, "ms")
        yield Figure(f"call p99, {what}: {where}", done.p99_ms, "ms")
        yield Figure(f"server CPU per task, {what}: {where}", spent / max(1, done.tasks) * 1e6, "us")


def _many(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"
