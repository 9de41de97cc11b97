"""Claims of a large step that die, or meet something else, between any two of their calls to the table.

Windows have three tasks here and cursors four, so that every claim comes to a boundary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.core import claiming, filling, jobs, leases, settle, sweeping, tasks, windows, workers
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.lifecycle import ENDED_TASKS, Outcome
from chalicelib.core.model import Assignment, JobId, Worker
from chalicelib.core.ports import ConditionFailed, Operation, Put, TableUnavailable
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from tests.core.conftest import make_farm
from tests.engines.simulated import Crash, Faults, SimulatedClock, SimulatedTable

LIMITS = Limits(small_step_tasks=4, shard_tasks=4, most_shards=2)
COUNT = 11


@pytest.fixture(autouse=True)
def windows_of_three_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 3)
    monkeypatch.setattr(keys, "WINDOWS_TOGETHER", 2)


class Site:
    """A table, and processes that know nothing of each other."""

    def __init__(self, **how: Any) -> None:
        self.clock = SimulatedClock()
        self.table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=self.clock, **how)
        self.before: Callable[[], None] | None = None
        self.completed: Counter[int] = Counter()

    def process(self) -> Farm:
        return make_farm(self.table, self.clock, limits=LIMITS)

    def worker(self, name: str) -> Worker:
        described = workers.Description(name, task_types=("sleep",))
        return workers.register(self.process(), described, with_secret=False)[0]

    def submit(self, farm: Farm) -> JobId:
        return jobs.submit(farm, jobs.Submission("j", "ladder", {"rungs": [{"count": COUNT}]}), once="k").id

    def complete(self, farm: Farm, given: tuple[Assignment, ...]) -> None:
        for a in given:
            said = leases.Report(Outcome.COMPLETED)
            leases.report(farm, a.lease.worker, a.task.id, a.lease.generation, said)
            self.completed[a.task.id] += 1

    def work_off(self, worker: Worker) -> None:
        """As a farm does by itself: leases run out, sweeps pass, somebody takes what there is."""
        farm = self.process()
        for round in range(8):
            self.clock.advance(300_000)
            sweeping.sweep(farm, thorough=round > 3)  # only marks that died with their process need that
            if not list(farm.jobs.unsettled()):
                return
            while given := claiming.claim(farm, worker, f"w{round}", slots=2).assignments:
                self.complete(farm, given)

    def check(self, ended: str) -> None:
        farm = self.process()
        [job] = farm.jobs.page(None, 10, None)[0]
        assert (job.status.value, job.settled) == (ended, True)
        steps = farm.jobs.steps(job.id)
        assert [(step.status.value, step.ended) for step in steps] == [("done", COUNT)]
        assert all(cursor.over for step in steps for cursor in farm.cursors.of(step))
        found = [task for step in steps for task in tasks.of_step(farm, job, step)]
        assert len(found) == COUNT and all(task.status in ENDED_TASKS for task in found)
        truth = Counter(task.status.value for task in found)
        assert dict(truth) == {status: count for status, count in job.counts.items() if count}
        assert all(count == 1 for count in self.completed.values())


def story(site: Site, worker: Worker) -> None:
    farm = site.process()
    site.submit(farm)
    site.complete(farm, claiming.claim(farm, worker, "a", slots=4).assignments)
    held = claiming.claim(farm, worker, "b", slots=4).assignments
    held += claiming.claim(farm, worker, "c", slots=4).assignments
    site.complete(farm, held)


def canceled_story(site: Site, worker: Worker) -> None:
    farm = site.process()
    job = site.submit(farm)
    held = claiming.claim(farm, worker, "a", slots=2).assignments
    site.complete(farm, held[:1])
    jobs.cancel(farm, job)
    jobs.retry(farm, job) if farm.jobs.get(job).settled else None  # type: ignore[union-attr]


@pytest.mark.parametrize("told", [story, canceled_story])
def test_a_process_may_die_between_any_two_calls(told: Callable[[Site, Worker], None]) -> None:
    whole = Site()
    worker = whole.worker("w")
    begin = whole.table.points
    told(whole, worker)
    points = whole.table.points
    assert points - begin > 60
    for point in range(begin, points):
        site = Site(crash_at=point)
        worker = site.worker("w")
        with pytest.raises(Crash):
            told(site, worker)
        site.table.calm()
        if not site.process().jobs.page(None, 10, None)[0]:
            site.submit(site.process())  # it died before anything was acknowledged
        site.work_off(worker)
        site.check(site.process().jobs.page(None, 10, None)[0][0].status.value)
        if told is story:
            site.check("completed")


@pytest.mark.parametrize("fault", ["repeated", "lost_answer", "refused"])
def test_an_update_that_is_repeated_or_not_answered_loses_no_task(fault: str) -> None:
    """Whatever the engine or a throttle makes of each write."""
    for seed in range(20):
        site = Site()
        worker = site.worker("w")
        farm = site.process()
        site.submit(farm)
        site.table._chance.seed(seed)
        site.table.faults = Faults(**{fault: 0.3})  # type: ignore[arg-type]
        for call in range(12):
            try:
                given = claiming.claim(farm, worker, f"r{call}", slots=2, repeat=True).assignments
                site.complete(farm, given)
            except (TableUnavailable, ConditionFailed):
                continue
            except leases.LeaseLost:
                continue
        site.table.calm()
        site.completed.clear()  # a completion whose answer was lost is told twice
        site.work_off(worker)
        site.check("completed")


def test_a_claim_whose_every_write_is_sent_twice_skips_no_task() -> None:
    site = Site()
    site.submit(site.process())
    site.table.faults = Faults(repeated=1.0)
    given = [
        a for n in range(8) for a in claiming.claim(site.process(), site.worker("w"), f"r{n}", slots=2).assignments
    ]
    assert sorted(a.task.index for a in given) == list(range(COUNT))


def test_what_a_claim_that_died_left_out_is_there_with_the_second_sweep() -> None:
    """They come each minute, and some a moment early."""
    site = Site()
    worker = site.worker("w")
    site.submit(site.process())
    site.clock.advance(600_000)
    refusing = Refusing(site.table)
    with pytest.raises(TableUnavailable):
        claiming.claim(make_farm(refusing, site.clock, limits=LIMITS), worker, "dead", slots=2)  # type: ignore[arg-type]
    for seconds in (30, 59.9):
        site.clock.advance(round(seconds * 1000))
        sweeping.sweep(site.process())
    left = [a for n in range(8) for a in claiming.claim(site.process(), worker, f"r{n}", slots=2).assignments]
    assert sorted(a.task.index for a in left) == list(range(COUNT))


class Refusing(SimpleNamespace):
    """Puts no task."""

    def __init__(self, table: SimulatedTable) -> None:
        super().__init__(table=table, exact=table.exact)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        if any(isinstance(one, Put) and one.key.pk.startswith("TASKS#") for each in transactions for one in each):
            raise TableUnavailable("refused")
        return self.table.write_many(transactions)  # type: ignore[no-any-return]


class Deaf(SimpleNamespace):
    """Does what it is told, but the answer to call number `at` is lost."""

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.table, name)

        def called(*args: Any, **kwargs: Any) -> Any:
            answer = call(*args, **kwargs)
            self.at -= 1
            if self.at == -1:
                raise TableUnavailable("the answer was lost")
            return answer

        return called


def test_a_repeated_claim_gets_what_the_first_one_got() -> None:
    lost = 0
    for at in range(14):
        site = Site()
        worker = site.worker("w")
        site.submit(site.process())
        deaf = make_farm(Deaf(table=site.table, at=at, exact=False), site.clock, limits=LIMITS)  # type: ignore[arg-type]
        try:
            first = claiming.claim(deaf, worker, "mine", slots=3).assignments
        except TableUnavailable:
            first, lost = (), lost + 1
        again = claiming.claim(site.process(), worker, "mine", slots=3, repeat=True).assignments
        assert len(again) == 3
        assert not first or [a.task.id for a in again] == [a.task.id for a in first]
        farm = site.process()
        [job] = farm.jobs.page(None, 10, None)[0]
        found = [task for step in farm.jobs.steps(job.id) for task in tasks.of_step(farm, job, step)]
        assert {task.id for task in found if task.lease is not None} == {a.task.id for a in again}
        site.complete(farm, again)
        site.work_off(worker)
        site.check("completed")
    assert lost > 5


# ---- something else happens in the middle of a claim ----------------------------------------------------------------


class Meddled:
    """Does something else before call number `at` of a process to its table."""

    def __init__(self, table: SimulatedTable, at: int, meddle: Callable[[], None], happened: list[bool]) -> None:
        self._table, self._left, self._meddle, self._happened = table, at, meddle, happened
        self.exact = table.exact

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._table, name)
        if not callable(call):
            return call

        def meddled(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == -1:
                self._happened.append(True)
                self._meddle()
            return call(*args, **kwargs)

        return meddled


def cancel(site: Site, farm: Farm, job: JobId, other: Worker) -> None:
    jobs.cancel(farm, job)


def cancel_and_retry(site: Site, farm: Farm, job: JobId, other: Worker) -> None:
    jobs.cancel(farm, job)
    if jobs.get(farm, job).settled:
        jobs.retry(farm, job)
        site.complete(farm, claiming.claim(farm, other, "o", slots=COUNT).assignments)


def pause_and_resume(site: Site, farm: Farm, job: JobId, other: Worker) -> None:
    jobs.pause(farm, job)
    jobs.resume(farm, job)
    site.complete(farm, claiming.claim(farm, other, "o", slots=COUNT).assignments)


def take_it_for_dead(site: Site, farm: Farm, job: JobId, other: Worker) -> None:
    for _ in range(3):
        site.clock.advance(filling.LOOK_EVERY_MS)
        sweeping.sweep(farm, ends_leases=False)
    site.complete(farm, claiming.claim(farm, other, "o", slots=COUNT).assignments)


def claim_all(site: Site, farm: Farm, job: JobId, other: Worker) -> None:
    site.complete(farm, claiming.claim(farm, other, "o", slots=COUNT).assignments)


@pytest.mark.parametrize("meddle", [cancel, cancel_and_retry, pause_and_resume, take_it_for_dead, claim_all])
def test_a_claim_may_meet_anything_between_any_two_calls(meddle: Callable[..., None]) -> None:
    """Whoever gets a task, nobody else does; and what was decided holds for what was on its way."""
    met = 0
    for at in range(30):
        site = Site()
        worker, other = site.worker("w"), site.worker("o")
        elsewhere = site.process()
        job = site.submit(elsewhere)
        claiming.claim(elsewhere, worker, "warm", slots=1)
        happened: list[bool] = []
        meddling = partial(meddle, site, site.process(), job, other)
        farm = make_farm(Meddled(site.table, at, meddling, happened), site.clock, limits=LIMITS)  # type: ignore[arg-type]
        given = claiming.claim(farm, worker, "mine", slots=5).assignments
        met += bool(happened)
        taken = {a.task.id for a in given}
        assert not taken & set(site.completed), "two workers got one task"
        for a in given:
            now = tasks.get(site.process(), a.task.id)
            assert now.lease is not None and (now.lease.worker, now.generation) == (worker.id, a.lease.generation)
            if meddle is cancel and happened:
                assert now.cancel_reason == "job canceled", "given away behind the back of a cancel"
        if meddle is cancel and happened:
            for a in given:
                leases.report(farm, worker.id, a.task.id, a.lease.generation, leases.Report(Outcome.CANCELED))
            site.work_off(other)
            site.check("canceled")
        else:
            site.complete(site.process(), tuple(a for a in given if tasks.get(farm, a.task.id).cancel_reason is None))
            site.work_off(other)
            site.check(site.process().jobs.page(None, 10, None)[0][0].status.value)
    assert 5 < met < 30, "every call of the claim was met, and the last ones were behind its end"


def resume_if_paused(site: Site, job: JobId) -> None:
    if jobs.get(site.process(), job).status == "paused":
        jobs.resume(site.process(), job)


def test_a_decision_that_comes_late_does_not_undo_a_newer_one() -> None:
    """A pause whose process stops before it tells the cursors, until a resume has been carried out."""
    for at in range(20):
        site = Site()
        worker = site.worker("w")
        job = site.submit(site.process())
        resume = partial(resume_if_paused, site, job)
        farm = make_farm(Meddled(site.table, at, resume, []), site.clock, limits=LIMITS)  # type: ignore[arg-type]
        jobs.pause(farm, job)
        resume_if_paused(site, job)
        statuses = {cursor.status.value for cursor in farm.cursors.of(farm.jobs.steps(job)[0])}
        assert statuses == {"open"}
        sweeping.sweep(farm)  # lifts the halt, if that came last
        assert len(claiming.claim(site.process(), worker, "all", slots=COUNT).assignments) == COUNT


def test_a_retry_that_somebody_else_has_carried_out_is_not_carried_out_again() -> None:
    """Nor after a newer cancel has been: what it closed stays closed."""
    for at in range(25):
        site = Site()
        site.worker("w")
        farm = site.process()
        job = site.submit(farm)
        jobs.cancel(farm, job)
        retried = farm.jobs.restart(jobs.get(farm, job), None)  # whose process then dies
        assert retried is not None and settle.end_early(farm, retried, "cancel", "again") is not None
        others_turn = partial(settle.settle, site.process(), job)
        settle.settle(make_farm(Meddled(site.table, at, others_turn, []), site.clock, limits=LIMITS), job)  # type: ignore[arg-type]
        sweeping.sweep(site.process())
        site.check("canceled")


def test_a_look_at_a_task_that_no_item_is_of_may_meet_the_deletion_of_its_job() -> None:
    found: list[bool] = []
    for at in range(5):
        site = Site()
        elsewhere = site.process()
        job = site.submit(elsewhere)
        task = elsewhere.jobs.steps(job)[0].base + COUNT - 1
        jobs.cancel(elsewhere, job)

        def delete(farm: Farm = elsewhere, job: JobId = job) -> None:
            jobs.delete(farm, job)

        meddled = Meddled(site.table, at, delete, [])
        looked = tasks.find(make_farm(meddled, site.clock, limits=LIMITS), task)  # type: ignore[arg-type]
        found.append(looked is not None)
    assert found[0] is False and found[-1] is True
