"""`python -m tests.bench.load URL WORKERS BATCH SECONDS`: that many workers, cycling; one line of JSON at the end.

A process of its own, so that its Python does not share an interpreter lock with whoever measures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass

from tests.bench.figures import percentile
from tests.bench.served import ROOT, Worker


@dataclass(frozen=True)
class Load:
    """What came of it. `tasks` were given and completed; `cycles` are calls that were answered with work."""

    seconds: float
    cycles: int
    tasks: int
    empty: int
    p50_ms: float
    p99_ms: float
    cpu_seconds: float
    """Of the load generator itself."""


def run(url: str, *, workers: int, batch: int, seconds: float) -> Load:
    command = [sys.executable, "-m", "tests.bench.load", url, str(workers), str(batch), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return Load(**json.loads(done.stdout))


def _play(url: str, workers: int, batch: int, seconds: float) -> Load:
    crew = [Worker(url, f"load-{number}") for number in range(workers)]
    for worker in crew:
        worker.cycle(batch)  # the connection is open, the plan is made
    times: list[list[float]] = [[] for _ in crew]
    tasks, empty = [0] * workers, [0] * workers
    begun_at = time.monotonic()
    end_at = begun_at + seconds

    def drive(number: int) -> None:
        worker = crew[number]
        while (asked_at := time.monotonic()) < end_at:
            got = worker.cycle(batch)
            if not got:
                empty[number] += 1
                time.sleep(0.01)
                continue
            times[number].append(time.monotonic() - asked_at)
            tasks[number] += got

    threads = [threading.Thread(target=drive, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    all_times = [taken * 1000 for own in times for taken in own]
    return Load(
        seconds=time.monotonic() - begun_at,
        cycles=len(all_times),
        tasks=sum(tasks),
        empty=sum(empty),
        p50_ms=percentile(all_times, 0.5),
        p99_ms=percentile(all_times, 0.99),
        cpu_seconds=time.process_time(),
    )


if __name__ == "__main__":
    url, workers, batch, seconds = sys.argv[1:]
    print(json.dumps(asdict(_play(url, int(workers), int(batch), float(seconds)))))
