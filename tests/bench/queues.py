"""No-op tasks beside Celery and Dramatiq on Redis, each write on the disk before it is answered, in turns.

All have the same: tasks queued beforehand, two worker processes for two cores, sixteen tasks at a time, a task given
again if its worker dies (acks late), Redis with `appendfsync always`. Celery keeps results as ours does; Dramatiq keeps
none, so it does less. Ours are clients that claim and complete over HTTP, as in `cycles`; they run no program either.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import load
from tests.bench.beside import NotInstalled, absent, from_pypi, program, running, said
from tests.bench.figures import Figure, Finding, percentile
from tests.bench.options import Options
from tests.bench.served import frames, served, submit, until_true
from tests.ports import free_port

THREADS = 16
CELERY = """
from celery import Celery
app = Celery("bench", broker="{url}/0", backend="{url}/1")
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 4
app.conf.broker_connection_retry_on_startup = True
@app.task
def nothing():
    pass
if __name__ == "__main__":
    import sys
    for _ in range(int(sys.argv[1])):
        nothing.delay()
"""
DRAMATIQ = """
import dramatiq
from dramatiq.brokers.redis import RedisBroker
dramatiq.set_broker(RedisBroker(url="{url}/2"))
@dramatiq.actor(max_retries=3)
def nothing():
    pass
if __name__ == "__main__":
    import sys
    for _ in range(int(sys.argv[1])):
        nothing.send()
"""


def measure(options: Options) -> Iterator[Finding]:
    tasks, rounds = (1_000, 1) if options.quick else (3_000, 2)
    try:
        redis = program("redis-server", "redis-server")
        from_pypi("celery")
    except NotInstalled as reason:
        yield absent("Celery and Dramatiq on Redis", reason)
        return
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, run in (("Celery", _celery), ("Dramatiq", _dramatiq)):
            with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder, _redis(redis, Path(folder)) as url:
                rates.setdefault(name, []).append(run(Path(folder), url, tasks))
        for batch in (1, 10):
            rates.setdefault(f"ours, {batch} a call", []).append(_ours(batch, 3 if options.quick else 6))
    versions = f"{said([redis, '--version'])[:24]}, celery {_version('celery')}, dramatiq {_version('dramatiq')}"
    for name, found in rates.items():
        yield Figure(f"no-op tasks a second: {name}", percentile(found, 0.5), "1/s", note=versions)
    best = max(percentile(rates[name], 0.5) for name in ("Celery", "Dramatiq"))
    for batch in (1, 10):
        ours = percentile(rates[f"ours, {batch} a call"], 0.5)
        yield Figure(f"ours, {batch} a call, to the faster of the two", ours / best, "x", 1.0, "more")


def _version(package: str) -> str:
    return said([from_pypi("python"), "-c", f"from importlib.metadata import version; print(version({package!r}))"])


@contextmanager
def _redis(redis: str, folder: Path) -> Iterator[str]:
    port = str(free_port())
    command = [redis, "--port", port, "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes"]

    def is_up() -> bool:
        return "Ready to accept" in (folder / "redis-server.log").read_text()

    with running([*command, "--appendfsync", "always"], folder, is_up):
        yield f"redis://127.0.0.1:{port}"


def _celery(folder: Path, url: str, tasks: int) -> float:
    (folder / "bench_celery.py").write_text(CELERY.format(url=url))
    subprocess.run([from_pypi("python"), "bench_celery.py", str(tasks)], cwd=folder, check=True)
    command = [from_pypi("celery"), "-A", "bench_celery", "worker", "-c", "2", "-l", "WARNING"]
    return _rate(command, folder, lambda: _asked(url, 1, "dbsize"), tasks)


def _dramatiq(folder: Path, url: str, tasks: int) -> float:
    (folder / "bench_dramatiq.py").write_text(DRAMATIQ.format(url=url))
    subprocess.run([from_pypi("python"), "bench_dramatiq.py", str(tasks)], cwd=folder, check=True)
    command = [from_pypi("dramatiq"), "bench_dramatiq", "-p", "2", "-t", str(THREADS // 2)]
    return _rate(command, folder, lambda: tasks - _asked(url, 2, "hlen", "dramatiq:default.msgs"), tasks)


def _rate(command: list[str], folder: Path, done: Callable[[], int], tasks: int) -> float:
    """Tasks a second from the first that is seen to be done to the last: without the worker's start."""
    with running(command, folder, lambda: done() > 0):
        first, begun_at = done(), time.monotonic()
        until_true(lambda: done() >= tasks, 600, lambda: f"{done()} of {tasks} tasks were done")
        return (tasks - first) / (time.monotonic() - begun_at)


def _asked(url: str, database: int, *question: str) -> int:
    answer = subprocess.run(["redis-cli", "-u", f"{url}/{database}", *question], capture_output=True, text=True)
    return int(answer.stdout or 0)


def _ours(batch: int, seconds: float) -> float:
    with served() as farm:  # one process: two cost more than they bring (docs/performance.md)
        submit(farm.url, "frames", frames(1_000_000))
        done = load.run(farm.url, workers=THREADS, batch=batch, seconds=seconds)
        return done.tasks / done.seconds
