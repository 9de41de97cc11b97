"""The soak: thirty simulated workers, six of each of five kinds, work through tasks of all protocols while workers
fail, fall silent, start anew and repeat themselves, and the farm itself is killed. In the end nothing ran twice,
nothing is lost, and every protocol tells the same.

`PYTHONPATH=.:worker .venv/bin/python -m tests.soak.test_soak SEED TASKS` runs one by hand and tells how long it took.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulated.calling import Caller
from tests.simulated.clients import (
    ApiClient,
    Flamenco1Client,
    FunctionClient,
    PleiadesClient,
    SchedulerClient,
    TranscodeClient,
)
from tests.simulated.flamenco1 import PullingWorker, PushedToWorker
from tests.simulated.flamenco2 import Flamenco2Worker
from tests.simulated.native import TASK_TYPES, NativeWorker
from tests.simulated.pleiades import PleiadesWorker
from tests.simulated.transcode import TranscodeWorker
from tests.simulated.truth import ENDED, everything
from tests.simulated.worker import SimulatedWorker
from tests.soak.audit import complaints
from tests.soak.drive import Drive
from tests.soak.submit import Share
from tests.together.ensemble import Ensemble

LEASES = {"MILLRACE_LEASE_SECONDS": "12", "MILLRACE_GRACE_SECONDS": "1"}
"""Longer than the ten seconds between two looks at a worker that is pushed to."""
SHARES = {"api": 40, "function": 10, "pleiades": 14, "flamenco1": 16, "transcode": 14, "scheduler": 6}
"""Percent of the tasks."""
MANY = 1000
"""Tasks: from so many on the farm is killed twice."""
QUIET_SECONDS = 90.0
"""The run has hung when nothing changes for so long."""


def six_of_each_kind(url: str) -> list[SimulatedWorker]:
    """Flamenco 1 has both of its generations; half of the transcode workers convert only whole files,
    and most of our own kind no videos at all."""
    return [
        *(PleiadesWorker(url, f"pleiades {n}") for n in range(6)),
        *(Flamenco2Worker(url, f"flamenco2-{n}") for n in range(6)),
        *(PullingWorker(url, f"pulls-{n}") for n in range(3)),
        *(PushedToWorker(url, f"pushed-{n}") for n in range(3)),
        *(TranscodeWorker(url, f"transcode {n}", cuts=n % 2 == 0) for n in range(6)),
        *(NativeWorker(url, f"native {n}", TASK_TYPES if n < 2 else TASK_TYPES[:2]) for n in range(6)),
    ]


def shares_of(num_tasks: int, seed: int, caller: Caller) -> list[Share]:
    """The scheduler's programs start on all workers that can run one, of whatever kind."""
    able = [worker["uuid"] for worker in everything(caller, "/workers") if "exec" in worker["task_types"]]
    url = caller.url
    clients = [
        ApiClient(url),
        FunctionClient(url),
        PleiadesClient(url),
        Flamenco1Client(url),
        TranscodeClient(url),
        SchedulerClient(url, able),
    ]
    return [Share(client, num_tasks * SHARES[client.kind] // 100, seed) for client in clients]


class Soak:
    def __init__(self, ensemble: Ensemble, num_tasks: int, seed: int) -> None:
        self._ensemble = ensemble
        self._caller = Caller(ensemble.server.url)
        self._workers = six_of_each_kind(ensemble.server.url)
        for worker in self._workers:
            worker.join()
            worker.take()
        self._drive = Drive(self._workers, seed)
        self._shares = shares_of(num_tasks, seed, self._caller)
        self._kills_at = [num_tasks // 2] if num_tasks < MANY else [num_tasks // 4, num_tasks * 3 // 4]

    def run(self) -> list[str]:
        """What was wrong."""
        self._drive.start()
        clients = [share.start() for share in self._shares]
        try:
            for number in self._kills_at:
                self._until(lambda n=number: len(self._drive.executions) >= n, f"execution {number}")
                self._ensemble.server.kill()
                self._ensemble.server.start()
            for client in clients:
                client.join(600)
            self._until(self._all_has_ended, "the end of all jobs")
        finally:
            self._drive.stop()
        broken = [*self._drive.failures, *(share.failure for share in self._shares if share.failure)]
        return broken or complaints(self._caller, self._workers, self._drive.executions, self._shares)

    def _all_has_ended(self) -> bool:
        open_jobs = self._caller.ok("GET", "/api/v1/farm")["counts"]["open_jobs"]
        return open_jobs == 0

    def _until(self, is_true: Callable[[], bool], what: str) -> None:
        """As long as workers get something to do, there is hope."""
        seen, changed_at = 0, time.monotonic()
        while not is_true():
            assert not self._drive.failures, self._drive.failures
            now = len(self._drive.executions)
            if now != seen:
                seen, changed_at = now, time.monotonic()
            assert time.monotonic() - changed_at < QUIET_SECONDS, f"{what} does not come: {self.stuck()}"
            time.sleep(0.2)

    def stuck(self) -> list[str]:
        jobs = [job for job in everything(self._caller, "/jobs") if job["status"] not in ENDED]
        tasks = [task for job in jobs[:20] for task in everything(self._caller, f"/jobs/{job['id']}/tasks")]
        return [str(task) for task in tasks if task["status"] not in ENDED]

    def summary(self) -> str:
        ends = Counter((e.kind, e.outcome, e.accepted) for e in self._drive.executions)
        lines = [f"{kind:14} {outcome:10} {accepted!s:5} {n}" for (kind, outcome, accepted), n in sorted(ends.items())]
        return "\n".join([f"{len(self._drive.executions)} executions", *lines])

    def close(self) -> None:
        self._drive.stop()
        for worker in self._workers:
            worker.leave()
        for share in self._shares:
            share.client.caller.close()
        self._caller.close()


def soaked(folder: Path, num_tasks: int, seed: int) -> list[str]:
    ensemble = Ensemble(folder, LEASES).start()
    soak = None
    try:
        soak = Soak(ensemble, num_tasks, seed)
        return soak.run()
    finally:
        if soak is not None:
            print(soak.summary())
            soak.close()
        print(ensemble.end())


@pytest.mark.timeout(400)
def test_two_hundred_tasks_of_all_protocols_end_as_they_should(tmp_path: Path) -> None:
    assert soaked(tmp_path, 200, seed=1) == []


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_two_thousand_tasks_of_all_protocols_end_as_they_should(tmp_path: Path) -> None:
    assert soaked(tmp_path, 2000, seed=2) == []


if __name__ == "__main__":
    begun_at = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        found = soaked(Path(made), int(sys.argv[2]), int(sys.argv[1]))
    print(*found[:40], sep="\n")
    print(f"{len(found)} complaints, {time.monotonic() - begun_at:.0f} s")
