"""`./millrace load`: a farm, a thousand workers for ten minutes, and then twice what it can take.

The fleet is this process, the farm another. First the steady part: workers with tasks of some seconds, a line each half
minute, no error allowed. Then (`--overload SECONDS`) tasks so short that twice the work comes that was measured to be
possible, readers without manners, and clients that stand still; then a third of it, and how soon the farm is well
again.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from dataclasses import dataclass

from millrace import Farm
from tests.bench.served import Served, served
from tests.load.eager import EagerReaders, stopped_clients
from tests.load.fleet import Fleet, Pace
from tests.load.tally import Tally, percentile

LINE_SECONDS = 30.0
READERS = 400
STOPPED = 50
"""More than the server has places."""
GROWTH_ALLOWED = 1.25
"""Memory at the end may be so much of what it was after the first quarter; caches fill, leaks go on."""


@dataclass
class Part:
    """One stretch of time: what was asked, how it went."""

    name: str
    seconds: float
    tally: Tally
    cpu_seconds: float
    memory_mb: float

    def line(self) -> str:
        calls, tasks = sum(self.tally.statuses.values()) / self.seconds, len(self.tally.completed) / self.seconds
        return (
            f"{self.name:>10}  {calls:6.0f} calls/s  {tasks:5.1f} tasks/s  "
            f"p50 {percentile(self.tally.times_ms, 0.5):6.0f} ms  p99 {percentile(self.tally.times_ms, 0.99):6.0f} ms  "
            f"refused {sum(self.tally.refused.values()):5d}  unanswered {sum(self.tally.cuts.values()):3d}  "
            f"server {100 * self.cpu_seconds / self.seconds:3.0f} % of a core, {self.memory_mb:4.0f} MB"
        )


def main() -> int:
    options = _options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two connections for each worker
    with served("--processes", str(options.processes)) as farm:
        found = asyncio.run(_play(farm, options))
    for sentence in found:
        print(f"FOUND: {sentence}")
    print("failed" if found else "passed")
    return 1 if found else 0


async def _play(farm: Served, options: argparse.Namespace) -> list[str]:
    client = Farm(farm.url)
    job = client.submit("frames", {"frames": f"1-{_most_tasks(options)}", "command": ["true", "{frame}"]}, name="load")
    fleet = Fleet(farm.url, Pace(options.task_seconds))
    try:
        found = await _steady(farm, fleet, options)
        if options.overload:
            found += await _overload(farm, fleet, options)
        await asyncio.sleep(options.task_seconds)
    finally:
        await fleet.end()
    found += fleet.tally.troubles[:10]
    return found + await asyncio.to_thread(_lost, client, job.id, fleet.tally)


def _most_tasks(options: argparse.Namespace) -> int:
    """More than will be done: nobody is to run out of work."""
    steady = options.workers * (options.minutes + 1) * 60 / options.task_seconds
    return round(1.5 * steady + 1000 * (options.overload + 20)) + 10 * options.workers


async def _steady(farm: Served, fleet: Fleet, options: argparse.Namespace) -> list[str]:
    print(
        f"{options.workers} workers come within {options.arrive_seconds:.0f} s; tasks of {options.task_seconds:.0f} s"
    )
    arriving = asyncio.create_task(_part(farm, fleet, "arrival", options.arrive_seconds))
    await fleet.grow(options.workers, options.arrive_seconds)
    await arriving
    start = fleet.tally.copy()
    parts = []
    for number in range(max(1, round(options.minutes * 60 / LINE_SECONDS))):
        parts.append(await _part(farm, fleet, f"{(number + 1) * LINE_SECONDS:.0f} s", LINE_SECONDS))
    whole = fleet.tally.since(start)
    print(Part("together", options.minutes * 60, whole, sum(p.cpu_seconds for p in parts), parts[-1].memory_mb).line())
    found = []
    if whole.refused or whole.cuts:
        found.append(f"under steady load calls were refused or had no answer: {whole.refused} {whole.cuts}")
    first = parts[len(parts) // 4].memory_mb
    if parts[-1].memory_mb > first * GROWTH_ALLOWED:
        found.append(f"memory grew from {first:.0f} to {parts[-1].memory_mb:.0f} MB")
    return found


async def _overload(farm: Served, fleet: Fleet, options: argparse.Namespace) -> list[str]:
    fleet.pace.task_seconds, fleet.pace.idle_poll_seconds = 0.0, 0.0
    await asyncio.sleep(options.task_seconds * 1.5)  # the tasks of before end
    most = await _part(farm, fleet, "all it can", 20.0)
    rate = max(1.0, len(most.tally.completed) / most.seconds)
    fleet.pace.task_seconds = len(fleet.workers) / (2 * rate)
    readers, stopped = EagerReaders(farm.url, READERS), stopped_clients(farm.url, STOPPED)
    readers.begin()
    await _part(farm, fleet, "twice that", options.overload)
    await readers.end()
    for one in stopped:
        one.close()
    told = f"told to wait for {min(readers.told, default=0)} to {max(readers.told, default=0)} s"
    print(f"{READERS} readers without manners: {dict(readers.statuses)}, {told}")
    fleet.pace.task_seconds, fleet.pace.idle_poll_seconds = len(fleet.workers) / (0.3 * rate), None
    eased_at = time.monotonic()
    while time.monotonic() - eased_at < 180:
        calm = await _part(farm, fleet, "eased", 5.0)
        if not calm.tally.refused and percentile(calm.tally.times_ms, 0.99) < 250:
            print(f"well again {time.monotonic() - eased_at:.0f} s after the load had fallen")
            break
    else:
        return ["three minutes after the load had fallen the farm was not well again"]
    return [] if readers.statuses[503] else ["twice what it can take refused nothing"]


async def _part(farm: Served, fleet: Fleet, name: str, seconds: float) -> Part:
    mark, cpu_before, begun_at = fleet.tally.copy(), farm.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    spent, memory_mb = farm.cpu_seconds() - cpu_before, farm.memory_bytes() / 1e6
    part = Part(name, time.monotonic() - begun_at, fleet.tally.since(mark), spent, memory_mb)
    print(part.line(), flush=True)
    return part


def _lost(client: Farm, job_id: str, tally: Tally) -> list[str]:
    """Every completion that was acknowledged, against what the farm says of the task."""
    client.pause(job_id)  # no task is given away while they are counted
    found = {
        task.id: [attempt.worker for attempt in task.attempts if attempt.outcome == "completed"]
        for task in client.tasks(job_id, "completed")
    }
    missing = [task for task, worker in tally.completed.items() if found.get(task) != [worker]]
    print(f"{len(tally.completed)} completions were acknowledged; {len(found)} are there")
    return [f"{len(missing)} acknowledged completions are lost or doubled, such as {missing[:3]}"] if missing else []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="millrace load", description="A thousand workers, and then too many.")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the steady part")
    parser.add_argument("--task-seconds", type=float, default=30.0)
    parser.add_argument("--arrive-seconds", type=float, default=30.0)
    parser.add_argument(
        "--overload", type=float, default=60.0, metavar="SECONDS", help="of the overload; 0: leave it out"
    )
    parser.add_argument("--processes", type=int, default=1, help="of the server")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
