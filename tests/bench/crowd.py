"""A crowd of workers on the real core: each completes its task and claims the next in one call, as the native contract.

Each call is answered by a process of its own, as on Lambda: as many as there are calls under way, each with its own
caches and its own farm on the one table.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.core import claiming, completing, events, jobs, workers
from chalicelib.core.completing import Completion
from chalicelib.core.farm import Farm
from chalicelib.core.leases import Report
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Job, JobId, Worker, WorkerId
from chalicelib.core.ports import TableUnavailable
from chalicelib.core.records.keys import INDEXES
from deploy.costs import limits_on_aws
from tests.bench.events import Events
from tests.bench.partitions import Front, Storage
from tests.core.conftest import make_farm

STREAM_SECONDS = 1.0
BATCH = 100


@dataclass
class Seen:
    """What happened in the time that is looked at."""

    tasks: int = 0
    calls: int = 0
    empty: int = 0
    unavailable: int = 0
    claim_requests: int = 0
    """Of the claims alone: without the worker, the report and the stream."""
    by_job: Counter[JobId] = field(default_factory=Counter)
    call_ms: list[float] = field(default_factory=list)
    waited_ms: list[float] = field(default_factory=list)
    """From the call that found nothing, or the end of the task before, to the next task."""


class Crowd:
    """`lag_ms`: how much later an index shows a write. `seconds`: of a task, give or take a fifth."""

    def __init__(self, *, lag_ms: tuple[float, float], seconds: float, slots: int = 1, seed: int = 1) -> None:
        self.time = Events()
        self.storage = Storage(INDEXES, self.time, self.time.pause, seed=seed, lag_ms=lag_ms)
        self.seen = Seen()
        self.processes = 0
        self._idle: list[Farm] = []
        self._seconds, self._slots = seconds, slots
        self._chance = random.Random(seed)
        self.limits = limits_on_aws()
        self.first_at: dict[JobId, int] = {}

    # ---- processes -----------------------------------------------------------------------------------------------

    def look(self, seconds: float) -> Seen:
        """What happens in this time, and nothing of what was before."""
        self.storage.forget_counts()
        self.seen = Seen()
        self.time.run(seconds)
        return self.seen

    def farm(self) -> Farm:
        """An idle process, the one used last, or a new one."""
        if self._idle:
            return self._idle.pop()
        self.processes += 1
        return make_farm(Front(self.storage, self.processes), self.time, limits=self.limits)

    def rest(self, farm: Farm) -> None:
        self._idle.append(farm)

    # ---- what people do ------------------------------------------------------------------------------------------

    def submit(self, name: str, *, count: int, alike: bool = True, priority: int = 50) -> Job:
        farm = self.farm()
        settings = {"rungs": [{"count": count, "alike": alike}]}
        job = jobs.submit(farm, jobs.Submission(name, "ladder", settings, priority=priority))
        self.rest(farm)
        return job

    def hire(self, count: int) -> list[WorkerId]:
        farm = self.farm()
        description = workers.Description("w", task_types=("sleep",))
        ids = [workers.register(farm, description, with_secret=True)[0].id for _ in range(count)]
        self.rest(farm)
        return ids

    def start(self, crew: Sequence[WorkerId], within_seconds: float) -> None:
        """They come one after the other within this time."""
        for worker in crew:
            self.time.begin(self._life(worker), self._chance.uniform(0, within_seconds * 1000))
        self.time.begin(self._stream)

    # ---- what workers do -----------------------------------------------------------------------------------------

    def _life(self, worker: WorkerId) -> Callable[[], None]:
        def live() -> None:
            held: list[Assignment] = []
            asked, ended_at = 0, self.time.now()
            while True:
                asked += 1
                begun_at = self.time.now()
                held, contended = self._call(worker, held, f"r{asked}")
                self.seen.call_ms.append(self.time.now() - begun_at)
                if held:
                    self.seen.waited_ms.append(self.time.now() - ended_at)
                    self.time.pause(sum(self._drawn(self._seconds) for _ in held) * 1000)
                    ended_at = self.time.now()
                else:
                    pause = self.limits.poll_busy_seconds if contended else self.limits.poll_idle_seconds
                    self.time.pause(self._drawn(pause) * 1000)

        return live

    def _drawn(self, seconds: float) -> float:
        return seconds * self._chance.uniform(0.8, 1.2)

    def _call(self, worker_id: WorkerId, held: list[Assignment], request_id: str) -> tuple[list[Assignment], bool]:
        farm = self.farm()
        try:
            claimed = self._contract(farm, worker_id, held, request_id)
        except TableUnavailable:
            self.seen.unavailable += 1
            return held, True
        finally:
            self.rest(farm)
        self.seen.calls += 1
        self.seen.empty += not claimed.assignments
        for one in claimed.assignments:
            self.seen.tasks += 1
            self.seen.by_job[one.task.job] += 1
            self.first_at.setdefault(one.task.job, self.time.now())
        return list(claimed.assignments), claimed.contended

    def _contract(self, farm: Farm, id: WorkerId, held: list[Assignment], request_id: str) -> claiming.Claimed:
        worker: Worker | None = farm.workers.get(id)
        assert worker is not None
        worker = workers.contact(farm, worker, wants_work=True)
        said = Report(Outcome.COMPLETED)
        completing.complete(farm, id, [Completion(one.task.id, one.lease.generation, said) for one in held])
        assert isinstance(farm.table, Front)
        before = farm.table.requests
        claimed = claiming.claim(farm, worker, request_id, slots=self._slots)
        self.seen.claim_requests += farm.table.requests - before
        return claimed

    # ---- the table's stream --------------------------------------------------------------------------------------

    def _stream(self) -> None:
        farm = self.farm()
        while True:
            self.time.pause(STREAM_SECONDS * 1000)
            keys, self.storage.changed = self.storage.changed, []
            ids = [int(key.sk) for key in keys if key.pk.startswith("TASKS#")]
            for start in range(0, len(ids), BATCH):
                events.tasks_changed(farm, ids[start : start + BATCH])
