"""A large step's tasks come from its plan for as long as it runs: what if the plan is no longer to be had?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from chalicelib.core import tasks
from chalicelib.core.errors import BadInput
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Job
from chalicelib.core.plans import StepPlan
from tests.core.conftest import Bench, make_farm
from tests.core.ladder import Ladder


class Strict(Ladder):
    """The job type in a later version of the farm."""

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        raise BadInput("this version knows no ladders")


def upgraded(bench: Bench) -> Bench:
    farm = make_farm(bench.farm.table, bench.clock)
    return Bench(replace(farm, job_types={"ladder": Strict()}), bench.clock)


def begun(bench: Bench) -> tuple[Job, list[Assignment]]:
    job = bench.submit({"count": 250})
    return job, bench.claim(bench.worker("old"), slots=3)


def test_the_job_fails_instead_of_its_workers_calls(bench: Bench) -> None:
    job, given = begun(bench)
    later = upgraded(bench)
    assert later.claim(later.worker("new")) == []
    failed = later.job(job)
    assert (failed.status, failed.error) == ("failed", "this version knows no ladders")
    for assignment in given:
        later.report(assignment, Outcome.CANCELED)
    assert later.job(job).settled
    assert later.counts(job) == {"canceled": 250}


def test_its_tasks_can_still_be_looked_at(bench: Bench) -> None:
    job, given = begun(bench)
    later = upgraded(bench)
    assert tasks.get(later.farm, given[0].task.id).name == "0/0"
    assert tasks.get(later.farm, given[0].task.id + 200).name == "rung 0 200"
    assert len(later.tasks(job)) == 250
