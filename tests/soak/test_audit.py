"""The audit of the soak finds what it is there for."""

from __future__ import annotations

from typing import Any

from tests.simulated.truth import Truth
from tests.simulated.worker import Given
from tests.soak.audit import nothing_ran_twice, tasks_make_sense, words_were_kept
from tests.soak.drive import Execution, Fate


def attempt(number: int, worker: str, outcome: str, started_at: str, ended_at: str) -> dict[str, Any]:
    return {"number": number, "worker": worker, "outcome": outcome, "started_at": started_at, "ended_at": ended_at}


def a_farm(*attempts: dict[str, Any], status: str = "completed", job_status: str = "completed") -> Truth:
    """With one job of one task."""
    job = {"id": "1", "name": "a job", "status": job_status, "counts": {status: 1}}
    task = {"id": "2", "job": "1", "name": "a task", "status": status, "attempts": list(attempts)}
    return Truth([job], [], [task])


DONE = attempt(1, "7", "completed", "10:00", "10:01")


def ran(worker: str, began_at: float, ended_at: float, outcome: str = "completed", accepted: bool = True) -> Execution:
    return Execution(worker, "native", Given(("task", "2"), {}), Fate.WELL, began_at, ended_at, outcome, accepted)


def num_complaints(truth: Truth, *executions: Execution) -> int:
    found = [*tasks_make_sense(truth), *nothing_ran_twice(truth, executions), *words_were_kept(truth, executions)]
    return len(found)


def test_nothing_is_said_of_what_is_right() -> None:
    assert num_complaints(a_farm(DONE), ran("7", 0, 1)) == 0
    lost = attempt(1, "6", "lost", "09:00", "09:59")
    again = attempt(2, "7", "completed", "10:00", "10:01")
    assert num_complaints(a_farm(lost, again), ran("6", 0, 1, "died", False), ran("7", 2, 3)) == 0


def test_two_at_one_time_are_found() -> None:
    assert list(nothing_ran_twice(a_farm(DONE), [ran("7", 0, 5), ran("8", 1, 2, "died", False)]))
    overlap = [attempt(1, "6", "lost", "09:00", "10:30"), attempt(2, "7", "completed", "10:00", "10:01")]
    assert list(tasks_make_sense(a_farm(*overlap)))


def test_what_runs_again_after_it_was_completed_is_found() -> None:
    assert list(nothing_ran_twice(a_farm(DONE), [ran("7", 0, 1), ran("8", 2, 3, "failed", False)]))
    assert list(nothing_ran_twice(a_farm(DONE), [ran("7", 0, 1), ran("8", 2, 3)]))


def test_statuses_that_do_not_follow_are_found() -> None:
    assert list(tasks_make_sense(a_farm(DONE, job_status="failed")))
    assert list(tasks_make_sense(a_farm(DONE, status="active", job_status="completed")))
    assert list(tasks_make_sense(a_farm(status="failed", job_status="failed")))


def test_books_that_differ_from_what_workers_did_are_found() -> None:
    assert list(words_were_kept(a_farm(DONE), []))
    assert list(words_were_kept(a_farm(DONE), [ran("8", 0, 1)]))
    lost = attempt(1, "7", "lost", "10:00", "10:01")
    assert list(words_were_kept(a_farm(lost, status="failed", job_status="failed"), [ran("7", 0, 1)]))
