"""A worker's sign-on that the network brings twice, or late, takes nothing away from the process that is at work."""

from __future__ import annotations

import pytest

from chalicelib.core import claiming, starting, workers
from chalicelib.core.errors import Conflict
from chalicelib.core.model import Worker
from tests.core.conftest import Bench


def sign_on(bench: Bench, worker: Worker, start: int | None) -> None:
    """As a room does it: with nothing held."""
    known = workers.get(bench.farm, worker.id)
    until = starting.begin(bench.farm, known, start)
    claiming.reconcile(bench.farm, known, [], at_start=True, until=until)


def statuses(bench: Bench, job: object) -> list[str]:
    return [task.status.value for task in bench.tasks(job)]  # type: ignore[arg-type]


@pytest.mark.parametrize("start", [7, None])
def test_a_new_start_takes_back_what_the_process_before_had(bench: Bench, start: int | None) -> None:
    job, worker = bench.submit(), bench.worker()
    sign_on(bench, worker, None if start is None else start - 1)
    bench.take(worker)
    bench.clock.advance(1000)
    sign_on(bench, worker, start)
    assert statuses(bench, job) == ["queued"]


def test_the_same_sign_on_again_takes_back_nothing_that_was_given_since(bench: Bench) -> None:
    job, worker = bench.submit(), bench.worker()
    sign_on(bench, worker, 7)
    bench.take(worker)
    sign_on(bench, worker, 7)
    bench.clock.advance(1000)
    sign_on(bench, worker, 7)
    assert statuses(bench, job) == ["active"]


def test_what_a_crash_kept_from_being_taken_back_the_repetition_takes(bench: Bench) -> None:
    """The manager died after it had noted the start."""
    job, worker = bench.submit(), bench.worker()
    bench.take(worker)
    bench.clock.advance(1000)
    starting.begin(bench.farm, workers.get(bench.farm, worker.id), 7)
    sign_on(bench, worker, 7)
    assert statuses(bench, job) == ["queued"]


def test_the_sign_on_of_a_process_that_is_gone_is_refused(bench: Bench) -> None:
    job, worker = bench.submit(), bench.worker()
    sign_on(bench, worker, 8)
    bench.take(worker)
    bench.clock.advance(1000)
    with pytest.raises(Conflict, match="a later start"):
        sign_on(bench, worker, 7)
    assert statuses(bench, job) == ["active"]
    assert starting.is_of_an_earlier_one(workers.get(bench.farm, worker.id), 7)


def test_of_two_sign_ons_at_once_one_begins_the_start(bench: Bench) -> None:
    worker = bench.worker()
    both = [workers.get(bench.farm, worker.id)] * 2
    assert starting.begin(bench.farm, both[0], 7) == bench.clock.now()
    assert starting.begin(bench.farm, both[1], 7) == bench.clock.now() - 1
