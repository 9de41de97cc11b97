"""The farm against a small model of itself, under random events and faults.

On the simulated table everything that DynamoDB may do happens: index lag, lost and repeated answers, conflicts, short
and empty pages, and processes that die between any two calls, while managers' clocks differ by up to a minute. Between
any two calls of one process to the table, another process may do something else (`InterleavedTable`). On SQLite
processes start anew. What must hold, always:

- no two workers believe at the same time that they hold one task, each by its own clock;
- what was acknowledged as completed stays completed, and is never given away again, unless a person names it;
- when the faults end and the sweep has run, every job can be worked off, and its counts equal its tasks.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from chalicelib.core import (
    claiming,
    completing,
    declining,
    events,
    extending,
    jobs,
    leases,
    queue_mode,
    retrying,
    starting,
    sweeping,
    tasks,
    windows,
    workers,
)
from chalicelib.core.errors import FarmError, LeaseLost
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.lifecycle import ENDED_JOBS, JobStatus, Outcome, StepStatus, TaskStatus
from chalicelib.core.model import JobId, TaskId, Worker
from chalicelib.core.ports import ConditionFailed, Item, Table, TableUnavailable
from chalicelib.core.queue_mode import QueueMode
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import make_farm
from tests.core.ladder import shared
from tests.engines.simulated import Crash, Faults, SimulatedClock, SimulatedTable

FAULT_RATES = [0.0, 0.002, 0.01]
"""Per call to the table and kind of fault; with more, hardly any story gets anywhere."""
SKEW_MS = 30_000
"""Each way: two managers differ by up to a minute."""
WORKERS = 3
LIMITS = Limits(small_step_tasks=4, shard_tasks=4, most_shards=3)
"""A step of five tasks is a large one here."""


@pytest.fixture(autouse=True)
def windows_of_three_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that claims cross from one to the next all the time."""
    monkeypatch.setattr(windows, "WINDOW", 3)
    monkeypatch.setattr(keys, "WINDOWS_TOGETHER", 2)


RUNGS = st.lists(
    st.fixed_dictionaries(
        {
            "count": st.one_of(st.integers(1, 4), st.integers(5, 13)),
            "after": st.lists(st.integers(0, 1), max_size=1),
            "parents": st.dictionaries(st.integers(1, 3), st.lists(st.just(0), min_size=1, max_size=1), max_size=1),
            "task_type": st.sampled_from(["sleep", "debug"]),
            "trails": st.sampled_from([None, None, 0, 1]),
        }
    ),
    min_size=1,
    max_size=3,
)


class SkewedClock:
    """The clock of whichever manager process answers next."""

    def __init__(self, true: SimulatedClock) -> None:
        self.true = true
        self.skew_ms = 0

    def now(self) -> int:
        return self.true.now() + self.skew_ms


class InterleavedTable:
    """Before a call to the table, now and then, something else happens first. Not within something else."""

    def __init__(self, table: Table, something_else: Callable[[], None], chance: random.Random, often: float) -> None:
        self._table = table
        self._something_else = something_else
        self._chance = chance
        self._often = often
        self._busy = False
        self.exact = table.exact

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._table, name)
        return self._interleaved(attribute) if name in CALLS else attribute

    def _interleaved(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if not self._busy and self._chance.random() < self._often:
                self._busy = True
                try:
                    self._something_else()
                finally:
                    self._busy = False
            return call(*args, **kwargs)

        return called


DECISIONS = [
    "cancel",
    "pause",
    "resume",
    "resume",
    "retry",
    "priority",
    "only_failed",
    "only_canceled",
    "limit",
    "more",
]
CALLS = ("get", "get_many", "query", "write", "update", "write_many", "take")


OF_JOBS = {"JOB", "WINDOWS", "CURSOR", "SPANS", "TASKS", "AFTER", "GATE"}
"""What the partitions begin with that hold what is a job's."""


def scanned(table: Table) -> Iterator[Item]:
    cursor = None
    while True:
        page = table.scan(cursor=cursor)
        yield from page.items
        if (cursor := page.cursor) is None:
            return


@dataclass(frozen=True)
class Belief:
    """A worker thinks that it holds this task until then, on its own clock."""

    worker: int
    generation: int
    until: float


class FarmMachine(RuleBasedStateMachine):
    faulty = True

    def make_table(self, seed: int, rate: float) -> Table:
        every = dict.fromkeys(("lost_answer", "repeated", "refused", "conflict", "unreadable", "crash"), rate)
        faults = Faults(**every, short_page=10 * rate)  # harmless by themselves, so often
        return SimulatedTable(INDEXES, seed, faults=faults, clock=self.time)

    def __init__(self) -> None:
        super().__init__()
        self.time = SimulatedClock()
        self.clock = SkewedClock(self.time)
        self.beliefs: dict[TaskId, list[Belief]] = {}
        self.completed: dict[TaskId, int] = {}
        self.named: set[TaskId] = set()
        self.jobs: list[JobId] = []
        self.requests = 0
        self.told: Counter[str] = Counter()
        self.starts: Counter[int] = Counter()
        self.asking: Counter[int] = Counter()
        """Workers one call of which is under way: there are no two at a time."""

    @initialize(seed=st.integers(0, 10_000), rate=st.sampled_from(FAULT_RATES))
    def start(self, seed: int, rate: float) -> None:
        self.chance = random.Random(seed)
        self.table = self.make_table(seed, rate)
        self.interleaved: Any = InterleavedTable(self.table, self.something_else, self.chance, often=0.0)
        self.other = make_farm(self.interleaved, self.clock, limits=LIMITS)
        self.restart()
        self.crew: list[Worker] = []
        while len(self.crew) < WORKERS:
            types = ("sleep", "debug") if len(self.crew) < 2 else ("sleep",)
            described = workers.Description(f"w{len(self.crew)}", task_types=types)
            made = self.call(lambda d=described: workers.register(self.farm, d, with_secret=False)[0])  # type: ignore[misc]
            if isinstance(made, Worker):
                self.crew.append(made)
        self.call(lambda: queue_mode.write(self.farm, self.chance.choice([*QueueMode])))
        self.interleaved._often = 0.03

    def restart(self) -> None:
        """A new process: nothing in memory survives."""
        self.farm: Farm = make_farm(self.interleaved, self.clock, limits=LIMITS)

    def something_else(self) -> None:
        """Another process, with a memory and a clock of its own, in the middle of what this one does."""
        mine, skew_ms = self.farm, self.clock.skew_ms
        self.farm = self.other
        try:
            self.chance.choice(self.deeds)()
        finally:
            self.farm, self.clock.skew_ms = mine, skew_ms

    @property
    def deeds(self) -> list[Callable[[], object]]:
        some = self.chance.randrange
        who = some(WORKERS)
        deeds: list[Callable[[], object]] = [
            lambda: self._claim(who, 1),
            lambda: self._claim(who, 2),
            lambda: self._sweep(thorough=False),
            lambda: self._sweep(thorough=True),
            lambda: self.time.advance(self.chance.choice([1_000, 40_000, 100_000, 250_000])),
            lambda: self._pass_on(who),
            lambda: self._compare(who),
            lambda: self._start_anew(who),
        ]
        if any(self.beliefs.values()):
            deeds += [
                lambda: self._report(some(30), Outcome.COMPLETED),
                lambda: self._report(some(30), Outcome.FAILED),
                lambda: self._renew(some(30)),
                lambda: self._complete_together(who),
                lambda: self._decline(some(30)),
            ]
        if self.jobs:
            deeds += [
                lambda: self._decide(some(6), self.chance.choice(["cancel", "pause", "resume", "retry"])),
                lambda: self._decide(some(6), self.chance.choice(["only_failed", "only_canceled", "limit", "more"])),
                lambda: self._run_again(some(6), some(13), some(3)),
                lambda: self._delete(some(6)),
                lambda: self.call(lambda: queue_mode.write(self.farm, self.chance.choice([*QueueMode]))),
                lambda: self._events_arrive(some(6), 2),
            ]
        return deeds

    def call(self, work):  # type: ignore[no-untyped-def]
        """Run a call as some manager process would. None: no answer came, whatever took effect."""
        self.clock.skew_ms = self.chance.randint(-SKEW_MS, SKEW_MS) if self.faulty else 0
        try:
            return work()
        except (Crash, TableUnavailable):
            self.told["no answer"] += 1
            if self.farm is self.other:
                self.farm = self.other = make_farm(self.interleaved, self.clock, limits=LIMITS)
            else:
                self.restart()
        except LeaseLost:
            raise
        except (FarmError, ConditionFailed) as refused:
            self.told[type(refused).__name__] += 1
        return None

    # ---- people

    @rule(rungs=RUNGS, retries=st.integers(0, 2), stop=st.booleans(), key=st.booleans(), delay=st.sampled_from([0, 90]))
    def submit(self, rungs: list[dict[str, object]], retries: int, stop: bool, key: bool, delay: int) -> None:
        for number, rung in enumerate(rungs):
            rung["after"] = [n for n in rung["after"] if n < number]  # type: ignore[attr-defined]
            if rung["trails"] is not None and rung["trails"] >= number:  # type: ignore[operator]
                rung["trails"] = None
            if rung["trails"] is not None:
                rung["parents"] = {}
            rung["parents"] = {i: p for i, p in rung["parents"].items() if i < rung["count"]}  # type: ignore[attr-defined, operator]
        on_failure = "stop" if stop else "continue"
        retry = {"delay_seconds": delay, "exit_codes": {}}
        gathers = len(rungs) - 1 if len(rungs) > 1 and self.chance.random() < 0.5 else None
        if gathers is not None:
            rungs[gathers]["trails"] = None
        settings = {"rungs": rungs, "gathers": gathers}
        after = tuple(self.chance.sample(self.jobs, 1)) if self.jobs and self.chance.random() < 0.2 else ()
        limits = {"max_workers": self.chance.choice([None, None, 1, 2])}
        wanted = jobs.Submission(
            "j", "growing", settings, max_retries=retries, on_failure=on_failure, retry=retry, after=after, **limits
        )
        self.requests += 1
        once = f"k{self.requests}" if key else None
        job = self.call(lambda: jobs.submit(self.farm, wanted, once=once))
        if job is None and key:
            job = self.call(lambda: jobs.submit(self.farm, wanted, once=once))
        if job is not None:
            assert job.id not in self.jobs
            self.jobs.append(job.id)

    @precondition(lambda self: self.jobs)
    @rule(which=st.integers(0, 5), what=st.sampled_from(DECISIONS))
    def decide(self, which: int, what: str) -> None:
        self._decide(which, what)

    def _decide(self, which: int, what: str) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        if what == "priority":
            priority = self.chance.randint(0, 100)
            self.call(lambda: jobs.change(self.farm, job_id, priority=priority))
        elif what == "limit":
            most = self.chance.choice([None, 1, 2, 3])
            self.call(lambda: jobs.change(self.farm, job_id, max_workers=most))
        elif what == "more":
            frames = f"{self.chance.choice([1, 2, 6])}{self.chance.choice('ab')}"
            self.call(lambda: extending.add_frames(self.farm, job_id, frames))
        elif what.startswith("only"):
            self.call(lambda: jobs.retry(self.farm, job_id, **{what: True}))  # type: ignore[arg-type]
        else:
            self.call(lambda: getattr(jobs, what)(self.farm, job_id))

    @precondition(lambda self: self.jobs)
    @rule(which=st.integers(0, 5), first=st.integers(0, 12), last=st.integers(0, 3))
    def run_again(self, which: int, first: int, last: int) -> None:
        self._run_again(which, first, last)

    def _run_again(self, which: int, first: int, last: int) -> None:
        """A person names tasks, whatever became of them."""
        job_id = self.jobs[which % len(self.jobs)]
        steps = self.call(lambda: self.farm.jobs.steps(job_id)) or []
        known = [step.base + index for step in steps for index in range(step.count)]
        if named := known[first : first + last + 1]:
            self.named |= set(named)
            self.call(lambda: retrying.retry_tasks(self.farm, job_id, named))

    @precondition(lambda self: self.jobs)
    @rule(which=st.integers(0, 5))
    def delete(self, which: int) -> None:
        self._delete(which)

    def _delete(self, which: int) -> None:
        """Nobody hears of it again; what is left of it goes with the sweeps."""
        job_id = self.jobs[which % len(self.jobs)]
        self.call(lambda: jobs.delete(self.farm, job_id))

    # ---- workers

    @rule(who=st.integers(0, WORKERS - 1))
    def start_anew(self, who: int) -> None:
        self._start_anew(who)

    def _start_anew(self, who: int) -> None:
        """Its process died, and another one signs on; the same sign-on may come twice."""
        for task_id, belief in self.beliefs_of(who):
            self.drop(task_id, belief)
        self.starts[who] += 1
        start, done = self.starts[who], False
        while not done and self.starts[who] == start:
            done = bool(self.call(lambda: self._sign_on(who, start)))

    def _sign_on(self, who: int, start: int) -> bool:
        worker = workers.get(self.farm, self.crew[who].id)
        until = starting.begin(self.farm, worker, start)
        claiming.reconcile(self.farm, worker, [], at_start=True, until=until)
        return True

    @rule(who=st.integers(0, WORKERS - 1))
    def compare(self, who: int) -> None:
        self._compare(who)

    def _compare(self, who: int) -> None:
        """It says what it holds: nothing of that is taken from it."""
        if self.asking[who]:
            return  # one such call is under way at a time
        known = [(task_id, belief.generation) for task_id, belief in self.beliefs_of(who)]
        self.asking[who] = True
        try:
            self.call(lambda: claiming.reconcile(self.farm, self.crew[who], known))
        finally:
            self.asking[who] = False

    def beliefs_of(self, who: int) -> list[tuple[TaskId, Belief]]:
        return [(task_id, b) for task_id, all_of in self.beliefs.items() for b in all_of if b.worker == who]

    @precondition(lambda self: any(self.beliefs.values()))
    @rule(who=st.integers(0, WORKERS - 1))
    def complete_together(self, who: int) -> None:
        self._complete_together(who)

    def _complete_together(self, who: int) -> None:
        """Everything that it holds, and thinks that it held, in one call; what is not plain it says once more."""
        number_of = Counter(task_id for task_id, _ in self.beliefs_of(who))
        mine = [(task_id, belief) for task_id, belief in self.beliefs_of(who) if number_of[task_id] == 1]
        for task_id, belief in mine:
            self.drop(task_id, belief)
        said = [completing.Completion(t, b.generation, leases.Report(Outcome.COMPLETED)) for t, b in mine]
        done = self.call(lambda: completing.complete(self.farm, self.crew[who].id, said)) or frozenset()
        for task_id, belief in mine:
            if task_id in done:
                self.has_completed(task_id, belief)
            else:
                self.beliefs[task_id].append(Belief(who, belief.generation, 0))

    def has_completed(self, task_id: TaskId, belief: Belief) -> None:
        if task_id not in self.named:
            assert self.completed.setdefault(task_id, belief.generation) == belief.generation
            assert not self.living(task_id), "a late report ended somebody else's attempt"

    @precondition(lambda self: any(self.beliefs.values()))
    @rule(which=st.integers(0, 30))
    def decline(self, which: int) -> None:
        self._decline(which)

    def _decline(self, which: int) -> None:
        """A task that its worker cannot run: it never began it."""
        found = self.some_belief(which)
        assert found
        task_id, belief = found
        self.drop(task_id, belief)
        task = self.call(lambda: self.farm.tasks.get(task_id))
        if task is not None and task.lease is not None and task.generation == belief.generation:
            self.call(lambda: declining.decline(self.farm, task, "not here"))

    @rule(who=st.integers(0, WORKERS - 1), slots=st.integers(1, 3))
    def claim(self, who: int, slots: int) -> None:
        self._claim(who, slots)

    def _claim(self, who: int, slots: int) -> None:
        if self.asking[who]:
            return
        self.asking[who] = True
        try:
            self._claim_alone(who, slots)
        finally:
            self.asking[who] = False

    def _claim_alone(self, who: int, slots: int) -> None:
        asked_at, start = self.time.now(), self.starts[who]
        self.requests += 1
        request_id = f"r{self.requests}"
        claimed = self.call(lambda: claiming.claim(self.farm, self.crew[who], request_id, slots=slots))
        if claimed is None and self.chance.random() < 0.7:
            self.time.advance(2_500)  # its time-out; by then the index has heard
            claimed = self.call(lambda: claiming.claim(self.farm, self.crew[who], request_id, slots=slots, repeat=True))
        if self.starts[who] != start:
            return  # who asked is gone
        for assignment in claimed.assignments if claimed is not None else ():
            until = asked_at + assignment.seconds * 1000
            if until <= self.time.now():
                continue  # the answer took longer than the lease: the worker does not begin
            self.believe(assignment.task.id, Belief(who, assignment.lease.generation, until))

    def believe(self, task_id: TaskId, belief: Belief) -> None:
        assert task_id not in self.completed or task_id in self.named, "a completed task was given away again"
        self.check_that_nothing_is_lacking(task_id)
        others = [b for b in self.living(task_id) if b.worker != belief.worker or b.generation != belief.generation]
        assert not others, f"two live leases on {task_id}: {others} and {belief}"
        self.beliefs.setdefault(task_id, []).append(belief)

    def check_that_nothing_is_lacking(self, task_id: TaskId) -> None:
        """A task that needs others of an earlier step was given away after they had completed, never before."""
        calm = isinstance(self.table, SimulatedTable)
        faults = self.table.faults if calm else None
        if calm:
            self.table.faults = Faults()
        try:
            self._check_that_nothing_is_lacking(task_id)
        finally:
            if calm:
                self.table.faults = faults

    def _check_that_nothing_is_lacking(self, task_id: TaskId) -> None:
        item = self.table.get(keys.task(task_id))
        if item is None or item.get("trails") is None:
            return
        found = self.table.query(keys.job(item["job"]).pk).items
        steps = {part["number"]: part for part in found if part["sk"].startswith("STEP#")}
        source, own = steps[item["trails"]], steps[item["step"]]
        for indices in shared(item["index"], own["count"], source["count"]):
            for index in indices:
                needed = self.table.get(keys.task(source["base"] + index))
                assert needed is not None and needed["status"] == "completed", "released before what it needs was there"

    def living(self, task_id: TaskId) -> list[Belief]:
        return [b for b in self.beliefs.get(task_id, ()) if b.until > self.time.now()]

    def some_belief(self, which: int) -> tuple[TaskId, Belief] | None:
        """A lease that some worker holds, or once held: late workers report too."""
        held = [(task_id, belief) for task_id, beliefs in self.beliefs.items() for belief in beliefs]
        return held[which % len(held)] if held else None

    def drop(self, task_id: TaskId, belief: Belief) -> None:
        """All that this worker believes about this attempt: two answers to it may each have told it something."""
        same = (belief.worker, belief.generation)
        self.beliefs[task_id] = [b for b in self.beliefs.get(task_id, ()) if (b.worker, b.generation) != same]

    @precondition(lambda self: any(self.beliefs.values()))
    @rule(which=st.integers(0, 30))
    def renew(self, which: int) -> None:
        self._renew(which)

    def _renew(self, which: int) -> None:
        found = self.some_belief(which)
        assert found
        task_id, belief = found
        asked_at, worker = self.time.now(), self.crew[belief.worker]
        if belief.until <= asked_at:
            return  # the worker has abandoned it
        try:
            task = self.call(lambda: leases.renew(self.farm, worker.id, task_id, belief.generation, 10, None))
            left = None if task is None else leases.seconds_left(self.farm, task)
        except LeaseLost:
            self.drop(task_id, belief)
            return
        if left is not None:
            self.drop(task_id, belief)
            self.beliefs[task_id].append(Belief(belief.worker, belief.generation, asked_at + left * 1000))

    @precondition(lambda self: any(self.beliefs.values()))
    @rule(which=st.integers(0, 30), outcome=st.sampled_from([*Outcome][:5] + [Outcome.COMPLETED] * 3))
    def report(self, which: int, outcome: Outcome) -> None:
        self._report(which, outcome)

    def _report(self, which: int, outcome: Outcome) -> None:
        found = self.some_belief(which)
        assert found
        task_id, held = found
        # It stopped before it reported; what may be left of its lease it no longer uses.
        self.drop(task_id, held)
        belief = Belief(held.worker, held.generation, 0)
        self.beliefs[task_id].append(belief)
        worker_id = self.crew[belief.worker].id
        for _ in range(2):  # it repeats what was not answered
            try:
                said = leases.Report(outcome)
                task = self.call(lambda s=said: leases.report(self.farm, worker_id, task_id, belief.generation, s))  # type: ignore[misc]
            except LeaseLost:
                self.drop(task_id, belief)
                return
            if task is not None:
                if outcome is Outcome.COMPLETED:
                    self.has_completed(task_id, belief)
                self.drop(task_id, belief)
                return

    @precondition(lambda self: self.jobs)
    @rule(many=st.integers(5, 25))
    def a_busy_while(self, many: int) -> None:
        """Stories need length before they meet: what hypothesis draws step by step is too sparse for it."""
        for _ in range(many):
            self.chance.choice(self.deeds)()

    # ---- time, events, the sweep

    @rule(seconds=st.sampled_from([0.1, 1, 5, 40, 100, 250]))
    def pass_time(self, seconds: float) -> None:
        self.time.advance(int(seconds * 1000))

    @precondition(lambda self: any(self.beliefs.values()))
    @rule(seconds=st.integers(50, 119), who=st.integers(0, WORKERS - 1))
    def nearly_expire(self, seconds: int, who: int) -> None:
        """The hour of leases that end too early: a sweep and a claim shortly before a worker gives up its own."""
        self.time.advance(seconds * 1000)
        self._sweep(thorough=False)
        self._claim(who, 3)

    def _pass_on(self, who: int) -> None:
        """Leases run out, and the tasks go to somebody else."""
        self.time.advance(250_000)
        self._sweep(thorough=False)
        self._claim(who, 3)

    @rule(thorough=st.booleans())
    def sweep(self, thorough: bool) -> None:
        self._sweep(thorough=thorough)

    def _sweep(self, *, thorough: bool) -> None:
        self.call(lambda: sweeping.sweep(self.farm, thorough=thorough))

    @precondition(lambda self: self.jobs)
    @rule(which=st.integers(0, 5), some=st.integers(1, 4))
    def events_arrive(self, which: int, some: int) -> None:
        self._events_arrive(which, some)

    def _events_arrive(self, which: int, some: int) -> None:
        """Late, twice, in pieces."""
        job_id = self.jobs[which % len(self.jobs)]
        steps = self.call(lambda: self.farm.jobs.steps(job_id)) or []
        ids = [s.base + i for s in steps for i in range(s.count)]
        chosen = self.chance.sample(ids, min(some, len(ids)))
        self.call(lambda: events.tasks_changed(self.farm, chosen))

    # ---- the end

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            return
        if isinstance(self.table, SimulatedTable):
            self.table.calm()
        self.clock.skew_ms = 0
        self.faulty = False
        self.interleaved._often = 0.0
        self.restart()
        self.work_off()
        for job in self.farm.jobs.page(None, 1000, None)[0]:
            self.check(job.id)
        self.check_that_what_is_deleted_is_gone()
        self.close()

    def check_that_what_is_deleted_is_gone(self) -> None:
        for job in self.farm.jobs.page(None, 1000, None)[0]:
            jobs.delete(self.farm, job.id)
        for _ in range(2):
            self.time.advance(300_000)
            sweeping.sweep(self.farm)
        left = [item["pk"] for item in scanned(self.table) if item["pk"].partition("#")[0] in OF_JOBS]
        left += [item["sk"] for item in scanned(self.table) if item["pk"] == "LANES" and "LANE#" not in item["sk"]]
        assert not left, f"left of jobs that were deleted: {left}"

    def close(self) -> None:
        pass

    def work_off(self) -> None:
        for _ in range(30):
            self.time.advance(300_000)
            for job in self.farm.jobs.page("paused", 1000, None)[0]:
                jobs.resume(self.farm, job.id)
            sweeping.sweep(self.farm, thorough=True)
            for worker in self.crew:
                self.complete_what_comes(worker)
            self.time.advance(10_000)
            if not list(self.farm.jobs.unsettled()):
                return
        raise AssertionError(f"jobs that do not end: {list(self.farm.jobs.unsettled())}")

    def complete_what_comes(self, worker: Worker) -> None:
        workers.contact(self.farm, worker, wants_work=True)
        while given := claiming.claim(self.farm, worker, "last", slots=5).assignments:
            for a in given:
                self.believe(a.task.id, Belief(self.crew.index(worker), a.lease.generation, 0))
                said = leases.Report(Outcome.COMPLETED)
                leases.report(self.farm, worker.id, a.task.id, a.lease.generation, said)

    def check(self, job_id: JobId) -> None:
        job = jobs.get(self.farm, job_id)
        assert job.status in ENDED_JOBS and job.settled
        steps = self.farm.jobs.steps(job_id)
        for step in steps:
            assert step.status is StepStatus.SKIPPED or (step.status is StepStatus.DONE and step.ended == step.count)
            assert all(cursor.over for cursor in self.farm.cursors.of(step))
        found = [task for step in steps for task in tasks.of_step(self.farm, job, step)]
        truth = Counter(task.status.value for task in found)
        assert dict(truth) == {s: c for s, c in job.counts.items() if c}
        assert set(truth) <= {"completed", "failed", "canceled"}
        if job.status is JobStatus.COMPLETED:
            assert set(truth) == {"completed"}
        for task in found:
            if task.id in self.completed and task.id not in self.named:
                assert task.status is TaskStatus.COMPLETED
                ended = [a for a in task.attempts if a.outcome is Outcome.COMPLETED]
                assert [a.generation for a in ended] == [self.completed[task.id]]
            generations = [a.generation for a in task.attempts]
            assert generations == sorted(set(generations))


class SqliteMachine(FarmMachine):
    """One machine's engine: nothing is lost or late there, but clocks differ and processes start anew."""

    def make_table(self, seed: int, rate: float) -> Table:
        self.folder = Path(tempfile.mkdtemp())
        return SqliteTable(self.folder / "farm.db", INDEXES)

    def close(self) -> None:
        assert isinstance(self.table, SqliteTable)
        self.table.close()
        shutil.rmtree(self.folder)

    @rule()
    def start_anew(self) -> None:
        self.restart()


@pytest.mark.timeout(600)  # a failure takes minutes to shrink
def test_the_farm_keeps_its_promises_on_a_faulty_table() -> None:
    run_state_machine_as_test(FarmMachine, settings=settings(stateful_step_count=60))  # type: ignore[no-untyped-call]


@pytest.mark.timeout(600)  # a failure takes minutes to shrink
def test_the_farm_keeps_its_promises_on_one_machine() -> None:
    run_state_machine_as_test(SqliteMachine, settings=settings(stateful_step_count=40))  # type: ignore[no-untyped-call]


def random_rungs(chance: random.Random) -> list[dict[str, object]]:
    rungs: list[dict[str, object]] = []
    for number in range(chance.randint(1, 3)):
        count = chance.randint(1, 4) if chance.random() < 0.5 else chance.randint(5, 13)
        after = [chance.randrange(number)] if number and chance.random() < 0.6 else []
        parents = {index: [0] for index in range(1, min(count, 5)) if chance.random() < 0.2}
        kind = chance.choice(["sleep", "debug"])
        rung: dict[str, object] = {"count": count, "after": after, "parents": parents, "task_type": kind}
        rung["trails"] = chance.randrange(number) if number and chance.random() < 0.4 else None
        rungs.append(rung)
    return rungs


def tell_a_story(seed: int) -> None:
    """Longer and denser than what hypothesis draws; the seed repeats it."""
    chance = random.Random(seed)
    machine = FarmMachine()
    machine.start(seed, chance.choice(FAULT_RATES))
    for _ in range(chance.randint(1, 6)):
        stop, key = chance.random() < 0.3, chance.random() < 0.5
        machine.submit(random_rungs(chance), chance.randint(0, 2), stop, key, chance.choice([0, 90]))
        if machine.jobs:
            machine.a_busy_while(chance.randint(5, 40))
    machine.teardown()


@pytest.mark.parametrize("first", range(0, 150, 50))
def test_fifty_stories_keep_the_promises(first: int) -> None:
    for seed in range(first, first + 50):
        tell_a_story(seed)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(1_000, 5_000, 1_000))
def test_thousands_of_stories_keep_the_promises(first: int) -> None:
    for seed in range(first, first + 1_000):
        tell_a_story(seed)
