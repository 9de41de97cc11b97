"""Claims as the farm grows: tasks queued, jobs, requirement classes. Flat means: the same p50 at each size.

The core is called directly, where nothing of HTTP can hide a difference. All sizes live in one process and are asked
in turn, a few claims each, so that a noisy second meets all of them. Completions between the claims are not timed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.core.model import Requirement
from chalicelib.core.ports import Put
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from chalicelib.edge.clock import SystemClock
from chalicelib.store.sqlite import SqliteTable
from tests.bench.figures import Curve, Figure, Finding, percentile
from tests.bench.options import Options
from tests.core.conftest import Bench, make_farm

AT_ONCE = 5
"""Claims of one size before the next has its turn."""
FILL_AT_ONCE = 1_000
MOST_RATIO = 1.2


@dataclass
class Size:
    """A farm of one size. `top_up` puts back what small farms run out of."""

    number: int
    bench: Bench
    table: SqliteTable
    top_up: Callable[[], object] = lambda: None
    types: tuple[str, ...] = ("sleep",)
    times_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def claim(self, count: int, *, timed: bool = True) -> None:
        for _ in range(count):
            begun_at, cpu = time.perf_counter(), time.thread_time()
            [given] = self.bench.claim(self.worker)
            if timed:
                self.cpu_ms.append((time.thread_time() - cpu) * 1000)
                self.times_ms.append((time.perf_counter() - begun_at) * 1000)
            self.bench.report(given)

    def __post_init__(self) -> None:
        self.worker = self.bench.worker("flat", *self.types)


def measure(options: Options) -> Iterator[Finding]:
    tasks = (100, 10_000, 100_000) if options.quick else (100, 10_000, 100_000, 1_000_000)
    jobs = (1, 100, 1_000) if options.quick else (1, 100, 10_000)
    rounds = 20 if options.quick else 100
    yield from _compared("tasks queued in a large step", tasks, _large_step, rounds)
    yield from _compared("tasks queued in the common lane", tasks, _common_lane, rounds)
    yield from _compared("jobs", jobs, _jobs, rounds)
    yield from _compared("requirement classes", (1, 50, 500), _classes, rounds)


def _compared(axis: str, numbers: Sequence[int], make: Callable[[int, Path], Size], rounds: int) -> Iterator[Finding]:
    folder = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    sizes = [make(number, folder / str(number)) for number in numbers]
    try:
        for size in sizes:
            size.claim(AT_ONCE, timed=False)
        for turn in range(rounds):
            for size in sizes[turn % len(sizes) :] + sizes[: turn % len(sizes)]:
                size.top_up()
                size.claim(AT_ONCE)
    finally:
        for size in sizes:
            size.table.close()
        shutil.rmtree(folder, ignore_errors=True)
    lines = {
        "p50": tuple(percentile(size.times_ms, 0.5) for size in sizes),
        "p99": tuple(percentile(size.times_ms, 0.99) for size in sizes),
        "CPU, p50": tuple(percentile(size.cpu_ms, 0.5) for size in sizes),
    }
    span = f"{numbers[0]:,} to {numbers[-1]:,} {axis}"
    for name, target in (("p50", MOST_RATIO), ("CPU, p50", MOST_RATIO), ("p99", None)):
        spread = max(lines[name]) / min(lines[name])
        shown = " / ".join(f"{value:.2f}" for value in lines[name])
        yield Figure(f"claim {name}, slowest to quickest: {span}", spread, "x", target, note=f"{shown} ms")
    yield Curve(f"claim by {axis}", axis, "ms", tuple(map(float, numbers)), lines)


# ---- farms of a size -----------------------------------------------------------------------------------------------


def _farm(folder: Path) -> tuple[Bench, SqliteTable]:
    clock = SystemClock()
    table = SqliteTable(folder / "farm.db", INDEXES)
    return Bench(make_farm(table, clock), clock), table  # type: ignore[arg-type]  # a clock that runs


def _large_step(number: int, folder: Path) -> Size:
    bench, table = _farm(folder)
    bench.submit({"count": max(number, 101)})

    def top_up() -> None:
        if number < 1_000:
            bench.submit({"count": 101})

    return Size(number, bench, table, top_up)


def _common_lane(number: int, folder: Path) -> Size:
    """The first tasks are real; those behind them are the last one again, under other ids."""
    bench, table = _farm(folder)
    bench.submit({"count": 100})
    for _ in range(0 if number < 1_000 else 99):
        bench.submit({"count": 100})
    _fill(table, number - 10_000)

    def top_up() -> None:
        if number < 1_000:
            bench.submit({"count": AT_ONCE})

    return Size(number, bench, table, top_up)


def _fill(table: SqliteTable, count: int) -> None:
    if count <= 0:
        return
    lane = keys.ready_pk(Requirement("sleep"))
    entry = table.query(lane, index="ready", descending=True, limit=1).items[0]
    model = dict(table.get(keys.Key(entry["pk"], entry["sk"])) or {})
    order = model["ready_sk"].partition("|")[0]
    first = int(model["id"]) + 1_000_000
    for start in range(first, first + count, FILL_AT_ONCE):
        ids = range(start, min(start + FILL_AT_ONCE, first + count))
        table.write_many([[Put(_copy(model, task_id, order))] for task_id in ids])


def _copy(model: dict[str, Any], task_id: int, order: str) -> dict[str, Any]:
    key = keys.task(task_id)
    return {**model, "pk": key.pk, "sk": key.sk, "id": task_id, "ready_sk": f"{order}|{keys.digits(task_id)}"}


def _jobs(number: int, folder: Path) -> Size:
    bench, table = _farm(folder)
    for _ in range(number):
        bench.submit({"count": 1 if number > 1 else 100})

    def top_up() -> None:
        for _ in range(AT_ONCE):
            bench.submit({"count": 1})

    return Size(number, bench, table, top_up)


def _classes(number: int, folder: Path) -> Size:
    bench, table = _farm(folder)
    types = tuple(f"type{place}" for place in range(number))

    def top_up() -> None:
        bench.submit(*({"count": 1, "task_type": types[place * number // AT_ONCE]} for place in range(AT_ONCE)))

    bench.submit(*({"count": 2, "task_type": name} for name in types))
    for _ in range(20):
        top_up()
    return Size(number, bench, table, top_up, types)
