"""What DynamoDB may do to any request is no failure of the farm: writes that meet themselves, pages that end early."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from chalicelib.core import access, blobs, jobs, joining, schema, tasks
from chalicelib.core.access import Scope
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.model import Function
from chalicelib.core.records import keys
from chalicelib.core.records.keys import INDEXES
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import Faults, SimulatedClock, SimulatedTable

CONTENT = b"a picture"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def made_blob(farm: Farm) -> object:
    return farm.blobs.get(blobs.announce(farm, len(CONTENT), DIGEST)[0].id)


def made_content(farm: Farm) -> object:
    return farm.blobs.get(blobs.store_bytes(farm, CONTENT).id)


def made_function(farm: Farm) -> object:
    function = Function(farm.ids.one(), blobs.store_bytes(farm, CONTENT).id, "python3", (), farm.clock.now())
    farm.functions.add(function)
    return farm.functions.get(function.id)


def made_worker(farm: Farm) -> object:
    return farm.workers.get(Bench(farm, SimulatedClock()).worker("node1").id)


def made_token(farm: Farm) -> object:
    return access.principal(farm, access.make_token(farm, "me", [Scope.SUBMIT])[1])


def made_join_token(farm: Farm) -> object:
    return joining.join(farm, joining.make(farm, "node1")[1], "node1", "a number")


def made_job(farm: Farm) -> object:
    return farm.jobs.get(Bench(farm, SimulatedClock()).submit().id)


MADE: list[Callable[[Farm], object]] = [
    *(made_blob, made_content, made_function, made_worker, made_token, made_join_token, made_job)
]


@pytest.mark.parametrize("make", MADE)
def test_what_is_new_is_made_also_when_its_write_is_repeated_and_meets_itself(
    make: Callable[[Farm], object], clock: SimulatedClock
) -> None:
    table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), faults=Faults(repeated=1), clock=clock)
    assert make(make_farm(table, clock)) is not None


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_taken_for_the_end_because_a_page_was_empty(seed: int, clock: SimulatedClock) -> None:
    """A large job: found by the ids of its tasks, given more tasks, deleted with all that it had."""
    table = SimulatedTable(INDEXES, seed, lag_ms=(0, 0), faults=Faults(short_page=0.8), clock=clock)
    bench = Bench(make_farm(table, clock, limits=Limits(shard_tasks=100)), clock)
    job = bench.submit({"count": 400})
    [step] = bench.farm.jobs.steps(job.id)
    assert tasks.find(bench.farm, step.base + 399) is not None
    for assignment in bench.claim(bench.worker(), slots=110):
        bench.report(assignment)
    numbers = [window.number for window in bench.farm.windows.all(step)]
    assert numbers and bench.farm.windows.last(step) == max(numbers)
    jobs.cancel(bench.farm, job.id)
    jobs.delete(bench.farm, job.id)
    left = {item["pk"].partition("#")[0] for item in table.items()}
    assert not left & {"JOB", "TASKS", "WINDOWS", "CURSOR", "SPANS"}
    assert table.struck["short pages"] > 0


@pytest.mark.parametrize("seed", range(10))
def test_a_farm_is_not_new_because_a_page_was_empty(seed: int, clock: SimulatedClock) -> None:
    """What an older release has written would be left as it is for ever."""
    table = SimulatedTable(INDEXES, seed, lag_ms=(0, 0), clock=clock)
    Bench(make_farm(table, clock), clock).submit()
    table.faults = Faults(short_page=0.8)
    schema.stamp(table)
    state = table.get(keys.farm())
    assert state is not None and state["upgraded"] == 0
