"""Our worker: the gap between one command and the next, what it takes of the machine, and how fast logs flow."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.bench.figures import Figure, Finding, percentile
from tests.bench.options import Options
from tests.bench.served import ROOT, Wire, served, submit

LOG_BYTES_PER_LINE = 100


def measure(options: Options) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name, served() as farm:
        folder = Path(name)
        with _worker(farm.url, folder) as worker:
            yield from _idle(worker, 5 if options.quick else 20)
            yield from _gap(farm.url, folder, 40 if options.quick else 300)
            yield from _logs(farm.url, folder, 30 if options.quick else 200)
            yield Figure("worker: memory beside its task", worker.memory_info().rss / 1e6, "MB", 30.0)


@contextmanager
def _worker(url: str, folder: Path) -> Iterator[psutil.Process]:
    environment = {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, "-m", "millrace.cli", "worker", "--farm", url, "--name", "bench"]
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _until(lambda: bool(_call(url, "/api/v1/workers")["items"]), 30, "the worker did not register")
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def _idle(worker: psutil.Process, seconds: float) -> Iterator[Finding]:
    time.sleep(3)  # it has found out what the machine can do
    before, begun_at = worker.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after = worker.cpu_times()
    spent = after.user + after.system - before.user - before.system
    yield Figure("worker: CPU when idle", spent / (time.monotonic() - begun_at) * 100, "% of a core", 0.5)


def _gap(url: str, folder: Path, tasks: int) -> Iterator[Finding]:
    """Each command notes when it begins and ends. The start of the shell and of `date` is part of the gap."""
    times = folder / "times"
    script = f"date +%s%N >> {times}; date +%s%N >> {times}; : {{frame}}"
    _run(url, f"1-{tasks}", ["sh", "-c", script])
    stamps = [int(line) / 1e6 for line in times.read_text().split()]
    gaps = [start - end for end, start in zip(stamps[1::2], stamps[2::2], strict=False)]
    yield Figure("worker: command ended to next command started, p50", percentile(gaps, 0.5), "ms", 15.0)
    yield Figure("worker: command ended to next command started, p99", percentile(gaps, 0.99), "ms")


def _logs(url: str, folder: Path, megabytes: int) -> Iterator[Finding]:
    times = folder / "log-times"
    lines = megabytes * 1_000_000 // LOG_BYTES_PER_LINE
    line = "x" * (LOG_BYTES_PER_LINE - 1)
    script = f"date +%s%N >> {times}; yes {line} | head -n {lines}; date +%s%N >> {times}; : {{frame}}"
    begun_at = time.monotonic()
    _run(url, "1", ["sh", "-c", script])
    whole = time.monotonic() - begun_at
    start, end = (int(line) / 1e9 for line in times.read_text().split())
    yield Figure("worker: log a task writes without being held up", megabytes / (end - start), "MB/s", 50.0, "more")
    yield Figure("worker: log until the farm has all of it", megabytes / whole, "MB/s")


def _run(url: str, frames: str, command: list[str]) -> None:
    job = submit(url, "frames", {"frames": frames, "command": command})
    ended = ("completed", "failed", "canceled")
    _until(lambda: _call(url, f"/api/v1/jobs/{job['id']}")["status"] in ended, 600, "the job did not end")
    status = _call(url, f"/api/v1/jobs/{job['id']}")["status"]
    if status != "completed":
        raise RuntimeError(f"the job is {status}")


def _call(url: str, path: str) -> dict[str, object]:
    wire = Wire(url)
    try:
        answer: dict[str, object] = wire.call("GET", path)
        return answer
    finally:
        wire.close()


def _until(is_so: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.05)
