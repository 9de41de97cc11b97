"""10,000 workers and 10,000,000 tasks: the real core on a table with DynamoDB's limits for each partition, and its lag.

What is run: the farm's own claims, reports, registry and stream handler, each call in a process of its own, every table
request taking 3 to 8 ms of simulated time while others run. What is not: HTTP, signatures, and the hours that ten
million tasks take. All of them are queued; a steady state of some seconds is looked at, and the rest is multiplied.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from chalicelib.core.idling import quiet_seconds
from deploy.costs import Costs, Prices, Setup
from tests.bench.crowd import Crowd, Seen
from tests.bench.figures import Curve, Figure, Finding, percentile
from tests.bench.options import Options

NORMAL_MS, WORST_MS = (5.0, 50.0), (0.0, 2_000.0)
TASKS, JOBS = 10_000_000, 10
MOST_REQUESTS = {"normal lag": 2.2, "worst lag": 10.0}


def measure(options: Options) -> Iterator[Finding]:
    workers = 1_000 if options.quick else 10_000
    yield from _whole(workers, 5.0, 2.0 if options.quick else 2.5)
    rate = 200 if options.quick else 2_100
    yield from _one_class(rate, "worst lag", WORST_MS, 2.0)
    yield from _written(100 if options.quick else 1_200, 1.5)
    yield from _idle(workers, 20.0 if options.quick else 30.0)


def _whole(workers: int, seconds: float, look: float) -> Iterator[Finding]:
    """All workers, all tasks; in the middle somebody submits a job that is more urgent."""
    begun_at = time.monotonic()
    crowd = Crowd(lag_ms=NORMAL_MS, seconds=seconds)
    for number in range(JOBS):
        crowd.submit(f"job {number}", count=TASKS // JOBS)
    crowd.start(crowd.hire(workers), seconds)
    crowd.time.run(seconds)
    what = f"{workers:,} workers, {TASKS:,} tasks of {seconds:g} s"
    urgent = crowd.submit("urgent", count=200, priority=90)
    submitted_at = crowd.time.now()
    seen = crowd.look(look)
    yield from _load(crowd, seen, look, what)
    yield from _requests(seen, "normal lag", what)
    first = crowd.first_at.get(urgent.id, crowd.time.now()) - submitted_at
    yield Figure(f"simulated: an urgent job's first task after it was submitted, {what}", first, "ms")
    shares = [seen.by_job[job] for job in seen.by_job if job != urgent.id]
    yield Figure(
        "simulated: jobs of one priority that got tasks", len(shares), f"of {JOBS}", note=f"tasks each: {shares[:10]}"
    )
    hours = TASKS / (seen.tasks / look) / 3600
    yield Figure("simulated: all tasks at this rate", hours, "h", note=f"multiplied; {seen.tasks:,} of them were run")
    yield Figure("simulated: cost of a million of these tasks, table alone", _table_dollars(crowd, seen), "$")
    yield _waits(seen)
    spent = time.monotonic() - begun_at
    yield Figure("simulated: time this took here", spent, "s", note=f"{crowd.processes} Lambda processes at most")


def _load(crowd: Crowd, seen: Seen, look: float, what: str) -> Iterator[Finding]:
    table = crowd.storage
    yield Figure(f"simulated: claims a second, {what}", seen.tasks / look, "1/s")
    note = ", ".join(f"{key} {times}" for key, times in table.refused_at.most_common(3))
    yield Figure(f"simulated: throttled requests, {what}", table.refused, "", 0, note=note)
    (_, hot), units = max(table.most.items(), key=lambda one: one[1] / (1_000 if one[0][0] == "write" else 3_000))
    yield Figure(f"simulated: units of the busiest key in a second, {what}", units, "", note=hot)
    registry = table.most["read", "LANES"]
    yield Figure(f"simulated: reads of the lane registry in a second, {what}", registry, "units", 3_000)


def _requests(seen: Seen, lag: str, what: str) -> Iterator[Finding]:
    each = seen.claim_requests / max(1, seen.tasks)
    yield Figure(f"simulated: requests for a claim, {lag}, {what}", each, "", MOST_REQUESTS[lag])
    yield Figure(f"simulated: call p50, {lag}", percentile(seen.call_ms, 0.5), "ms")
    yield Figure(f"simulated: call p99, {lag}", percentile(seen.call_ms, 0.99), "ms")


def _one_class(workers: int, lag: str, lag_ms: tuple[float, float], look: float) -> Iterator[Finding]:
    """Tasks of a second, so that there are as many claims a second as workers, all in one class."""
    crowd = Crowd(lag_ms=lag_ms, seconds=1.0)
    crowd.submit("frames", count=1_000_000)
    crowd.start(crowd.hire(workers), 1.0)
    crowd.time.run(2.5)
    what = f"one class, {lag}"
    seen = crowd.look(look)
    yield from _load(crowd, seen, look, what)
    yield from _requests(seen, lag, what)


def _written(workers: int, look: float) -> Iterator[Finding]:
    """Tasks of which each is an entry of one index partition: DynamoDB takes 1,000 away from it in a second."""
    crowd = Crowd(lag_ms=NORMAL_MS, seconds=1.0)
    for number in range(1 + workers * 6 // 10_000):
        crowd.submit(f"written {number}", count=min(10_000, workers * 8), alike=False)
    crowd.start(crowd.hire(workers), 1.0)
    crowd.time.run(1.5)
    seen = crowd.look(look)
    what = "written tasks of one class"
    yield from _load(crowd, seen, look, what)
    each = seen.claim_requests / max(1, seen.tasks)
    yield Figure(f"simulated: requests for a claim, normal lag, {what}", each, "", MOST_REQUESTS["normal lag"])


def _idle(workers: int, look: float) -> Iterator[Finding]:
    """Nobody has work: what they ask, at the interval that a farm on AWS tells them."""
    crowd = Crowd(lag_ms=NORMAL_MS, seconds=1.0)
    crowd.submit("over soon", count=1)
    crowd.start(crowd.hire(workers), crowd.limits.poll_idle_seconds)
    crowd.time.run(crowd.limits.poll_idle_seconds)
    seen = crowd.look(look)
    what = f"{workers:,} idle workers"
    yield Figure(f"simulated: calls a second, {what}", seen.calls / look, "1/s", note="computed: one in each interval")
    yield Figure(f"computed: calls a second, {what}", workers / crowd.limits.poll_idle_seconds, "1/s")
    quiet = workers / quiet_seconds(crowd.limits, workers)
    yield Figure(f"computed: calls a second, {what}, quiet farm", quiet, "1/s")
    bill = crowd.storage.bill
    yield Figure(f"simulated: table requests a second, {what}", bill.count / look, "1/s")
    prices = Prices()
    table = (bill.read_units * prices.reads_per_million + bill.write_units * prices.writes_per_million) / 1e6
    yield Figure(f"simulated: the table's cost a day, {what}", table / look * 86_400, "$")
    for door, setup in (("API Gateway", Setup()), ("function URL", Setup(through_gateway=False))):
        costs = Costs(setup)
        yield Figure(f"computed: cost a day through {door}, {what}", costs.idle_workers(workers, quiet=False), "$")
        yield Figure(f"computed: cost a day through {door}, {what}, quiet farm", costs.idle_workers(workers), "$")


def _table_dollars(crowd: Crowd, seen: Seen) -> float:
    bill, prices = crowd.storage.bill, Prices()
    spent = bill.read_units * prices.reads_per_million + bill.write_units * prices.writes_per_million
    return spent / max(1, seen.tasks)


def _waits(seen: Seen) -> Curve:
    shares = (1, 5, 10, 25, 50, 75, 90, 95, 99)
    between = tuple(percentile(seen.waited_ms, share / 100) for share in shares)
    return Curve(
        "simulated: from one task to the next",
        "per cent of the tasks",
        "ms",
        shares,
        {"wait": between, "call": tuple(percentile(seen.call_ms, share / 100) for share in shares)},
        logarithmic=False,
    )
