"""The maps of this room are total, and its words are the original's."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import jobs, leases
from chalicelib.core.lifecycle import ENDED_TASKS, JobStatus, Outcome, TaskStatus
from chalicelib.core.model import Attempt, Job, Task
from chalicelib.dialects.scheduler import go_json, translate
from chalicelib.dialects.scheduler.translate import Began, State, Status
from chalicelib.edge.uuids import id_of
from tests.dialects.scheduler.conftest import HandWorker, Site


@pytest.fixture
def job(site: Site, hand: HandWorker) -> Job:
    return jobs.get(site.farm, id_of(site.queued(hand.uuid)))


@pytest.fixture
def task(site: Site, job: Job) -> Task:
    return leases.get(site.farm, job.first_task)


def attempt(outcome: Outcome, exit_code: int | None = None, error: str | None = None) -> Attempt:
    return Attempt(1, 1, 7, outcome, exit_code, error, 0, 1)


def test_every_status_has_a_state() -> None:
    assert set(translate.STATES) == set(TaskStatus) and set(translate.JOB_STATES) == set(JobStatus)


def test_whatever_the_farm_holds_is_one_of_the_sheets_four_answers(job: Job, task: Task) -> None:
    """Done or not; an error exactly when there is a text, and only when done."""
    tasks: list[Task | None] = [None]
    for status in TaskStatus:
        tasks.append(replace(task, status=status))
        for outcome in Outcome:
            for exit_code in (None, 0, 1, -9):
                for error in (None, "", "why"):
                    tasks.append(replace(task, status=status, attempts=(attempt(outcome, exit_code, error),)))
    for job_status in JobStatus:
        for one in tasks:
            said = translate.status_of(replace(job, status=job_status), one)
            assert said.done or not said.error_text
            if one is not None and one.status in ENDED_TASKS:
                assert said.done and (said.error_text == "") == (one.status is TaskStatus.COMPLETED)


def test_a_canceled_job_goes_on_until_its_worker_has_ended_it(job: Job, task: Task) -> None:
    canceled = replace(job, status=JobStatus.CANCELED)
    assert translate.state_of(canceled, replace(task, status=TaskStatus.ACTIVE)) is State.RUNNING
    assert translate.state_of(canceled, task) is State.KILLED
    assert translate.state_of(canceled, None) is State.KILLED


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (attempt(Outcome.FAILED, 1, "exec: exit code 1"), "exit status 1"),
        (attempt(Outcome.FAILED, 127, "exec: exit code 127"), "exit status 127"),
        (attempt(Outcome.FAILED, -9, "exec: killed by signal 9"), "signal: killed"),
        (attempt(Outcome.FAILED, -15, "exec: killed by signal 15"), "signal: terminated"),
        (
            attempt(Outcome.FAILED, -11, "exec: killed by signal 11 (core dumped)"),
            "signal: segmentation fault (core dumped)",
        ),
        (attempt(Outcome.FAILED, -6, None), "signal: aborted"),
        (attempt(Outcome.FAILED, -1, None), "signal: hangup"),
        (attempt(Outcome.FAILED, -2, None), "signal: interrupt"),
        (attempt(Outcome.FAILED, -40, None), "signal: signal 40"),
        (attempt(Outcome.FAILED, None, "fork/exec /x: permission denied"), "fork/exec /x: permission denied"),
        (attempt(Outcome.LOST, None, "the worker fell silent"), "the worker fell silent"),
        (attempt(Outcome.INTERRUPTED, None, "the worker is stopping"), "signal: killed"),
        (attempt(Outcome.FAILED, None, None), "the job failed"),
    ],
)
def test_the_end_of_a_program_is_said_as_go_says_it(job: Job, task: Task, ended: Attempt, text: str) -> None:
    failed = replace(task, status=TaskStatus.FAILED, attempts=(ended,))
    assert translate.status_of(job, failed) == Status(True, text)


def test_every_signal_of_this_system_that_is_not_of_real_time_has_a_name() -> None:
    for number in signal.valid_signals():
        if number < 32:
            assert not translate.signal_text(number).startswith("signal ")


def test_a_start_is_known_by_what_the_worker_says(task: Task) -> None:
    active = replace(task, status=TaskStatus.ACTIVE, activity="started pid 7")
    assert translate.began(active) is Began.YES
    assert translate.began(replace(active, activity="")) is Began.UNKNOWN
    assert translate.began(replace(active, status=TaskStatus.QUEUED)) is Began.UNKNOWN
    assert translate.began(None) is Began.UNKNOWN
    for status in ENDED_TASKS:
        assert translate.began(replace(task, status=status)) is Began.YES


def test_only_what_never_ran_is_a_failure_to_start(task: Task) -> None:
    def why(*ended: Any) -> str | None:
        return translate.start_failure(replace(task, status=TaskStatus.FAILED, attempts=(attempt(*ended),)))

    assert why(Outcome.FAILED, None, "fork/exec /x: permission denied") == "fork/exec /x: permission denied"
    assert why(Outcome.FAILED, 1, "exec: exit code 1") is None
    assert why(Outcome.FAILED, None, "the render crashed") is None
    assert why(Outcome.LOST, None, "the worker fell silent") is None


@given(st.text(min_size=1), st.text())
def test_a_start_makes_a_job_that_the_farm_accepts(command: str, path: str) -> None:
    made = translate.submission(7, command, path)
    assert 1 <= len(made.name) <= 200 and made.name.isprintable()
    assert made.max_retries == 0 and made.settings["argv"] == [command, path]


@given(st.text())
def test_what_is_written_is_one_line_of_ascii_safe_html_and_reads_the_same(text: str) -> None:
    written = go_json.compact({"error": text})
    assert written.count(b"\n") == 1 and not set(written) & set(b"<>&")
    assert json.loads(written) == {"error": text}
    assert go_json.texts(written, "T", ("error",)) == {"error": text}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"WORKER_ID":"a"}', "a"),
        ('{"wor\u212aer_id":"a"}', "a"),  # the sign of kelvin folds to k
        ('{"worker_id":"a","Worker_Id":"b"}', "b"),
        ('{"worker_id":"a","worker_id":null}', "a"),
        ('{"worker_id":"\\ud83c\\udfac\\ud800x"}', "🎬\ufffdx"),
        ("{}", ""),
        ("null", ""),
    ],
)
def test_fields_are_found_as_the_original_finds_them(body: str, found: str) -> None:
    assert go_json.texts(body.encode(), "T", ("worker_id",)) == {"worker_id": found}
