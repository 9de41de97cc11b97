"""What the three calls do, with a worker by hand: what is started, when it is answered, whose job it is."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from chalicelib.core import claiming, jobs, leases, workers
from chalicelib.core.jobs import Submission
from chalicelib.core.lifecycle import Outcome, TaskStatus
from chalicelib.core.workers import Description
from chalicelib.dialects.scheduler import calls
from chalicelib.edge.uuids import id_of, uuid_of
from tests.dialects.scheduler.conftest import ENDED, KILLED, RUNNING, HandWorker, Site, failed

NO_JOB = "rpc error: code = Unknown desc = job not found"
NO_WORKER = "worker not found"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def started(site: Site, hand: HandWorker) -> tuple[str, Any]:
    """A job that its worker runs."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(site.start, hand.uuid)
        given = hand.take()
        hand.say_started(given)
        return future.result(10), given


# ---- starting ------------------------------------------------------------------------------------------------------


def test_a_start_is_answered_when_the_worker_says_so(
    site: Site, hand: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "START_SECONDS", 60.0)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(site.post, "/start", worker_id=hand.uuid, command="true", path="")
        given = hand.take()
        hand.say_started(given)
        answer = future.result(10)
    assert answer.status_code == 201 and list(answer.json()) == ["job_id"]
    assert UUID.fullmatch(answer.json()["job_id"]) and answer.content.endswith(b"}\n")
    assert answer.headers["Content-Type"] == "application/json"


def test_a_silent_worker_is_waited_for_one_second(site: Site, hand: HandWorker) -> None:
    began_at = time.monotonic()
    job = site.start(hand.uuid)
    assert 0.9 < time.monotonic() - began_at < 10.0
    assert site.query(hand.uuid, job) == RUNNING


def test_other_news_of_the_task_is_not_its_start(site: Site, hand: HandWorker) -> None:
    with ThreadPoolExecutor(1) as pool:
        began_at = time.monotonic()
        future = pool.submit(site.start, hand.uuid)
        hand.say_started(hand.take(), "fetching inputs")
        future.result(10)
    assert time.monotonic() - began_at > 0.9


@pytest.mark.parametrize(
    "why",
    [
        'exec: "frobnicate": executable file not found in $PATH',
        "fork/exec /x/y: permission denied",
        "chdir .: no such file or directory",
    ],
)
def test_a_failure_to_start_is_told_in_the_workers_words(site: Site, hand: HandWorker, why: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(site.error, "/start", worker_id=hand.uuid, command="frobnicate")
        hand.report(hand.take(), Outcome.FAILED, error=why)
        assert future.result(10) == f"rpc error: code = Unknown desc = {why}"


def test_a_failure_to_start_that_comes_late_shows_in_the_query(site: Site, hand: HandWorker) -> None:
    job = site.start(hand.uuid, "frobnicate")
    why = 'exec: "frobnicate": executable file not found in $PATH'
    hand.report(hand.take(), Outcome.FAILED, error=why)
    assert site.query(hand.uuid, job) == failed(why)


def test_a_program_that_fails_at_once_has_started(site: Site, hand: HandWorker) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(site.start, hand.uuid)
        hand.report(hand.take(), Outcome.FAILED, 3, "exec: exit code 3")
        assert site.query(hand.uuid, future.result(10)) == failed("exit status 3")


def test_the_program_gets_exactly_one_argument_and_no_notice(site: Site, hand: HandWorker) -> None:
    site.queued(hand.uuid, "ls -l", "")
    [command] = hand.take().task.work.commands
    settings = command["settings"]
    assert command["name"] == "exec" and settings["argv"] == ["ls -l", ""] and settings["cmd"] == "'ls -l' ''"
    assert (settings["folder"], settings["notify_seconds"], settings["announce"]) == (".", 0, True)


def test_equal_starts_make_two_jobs(site: Site, hand: HandWorker) -> None:
    assert started(site, hand)[0] != started(site, hand)[0]


def test_a_job_waits_for_the_worker_it_names(site: Site, hand: HandWorker) -> None:
    other = HandWorker(site)
    job = site.queued(other.uuid)
    assert claiming.claim(site.farm, hand.worker, "k").assignments == ()
    assert other.take().task.job == id_of(job)


@pytest.mark.parametrize("outcome", [Outcome.INTERRUPTED, Outcome.LOST, Outcome.FAILED])
def test_a_program_is_never_run_again(site: Site, hand: HandWorker, outcome: Outcome) -> None:
    job, given = started(site, hand)
    leases.give_back(site.farm, given.task.id, given.lease.generation, outcome, "gone")
    task = leases.get(site.farm, given.task.id)
    assert task.status is TaskStatus.FAILED
    expected = KILLED if outcome is Outcome.INTERRUPTED else failed("gone")
    assert site.query(hand.uuid, job) == expected


def test_a_task_that_never_reached_its_worker_is_given_again(site: Site, hand: HandWorker) -> None:
    job = site.queued(hand.uuid)
    given = hand.take()
    leases.give_back(
        site.farm, given.task.id, given.lease.generation, Outcome.RELEASED, "the worker does not know of it"
    )
    assert site.query(hand.uuid, job) == RUNNING
    assert hand.take().task.id == given.task.id


# ---- workers -------------------------------------------------------------------------------------------------------


def test_a_worker_is_named_as_the_farms_own_api_shows_it(site: Site, hand: HandWorker) -> None:
    [shown] = requests.get(f"{site.url}/api/v1/workers", timeout=10).json()["items"]
    assert shown["uuid"] == hand.uuid and UUID.fullmatch(site.start(shown["uuid"].upper()))


def test_a_worker_that_runs_no_programs_is_not_known_here(site: Site) -> None:
    other = HandWorker(site, "transcode")
    for call in ("/start", "/stop", "/query"):
        assert site.error(call, worker_id=other.uuid, command="true") == NO_WORKER


def test_a_worker_that_runs_programs_no_more_still_has_its_jobs(site: Site, hand: HandWorker) -> None:
    job = site.queued(hand.uuid)
    workers.sign_on(site.farm, hand.worker, Description("by hand", task_types=("sleep",)))
    assert site.query(hand.uuid, job) == RUNNING
    assert site.error("/start", worker_id=hand.uuid, command="true") == NO_WORKER


def test_a_lost_worker_cannot_be_reached(site: Site, hand: HandWorker) -> None:
    site.clock.ahead_ms += 120_000
    text = site.error("/start", worker_id=hand.uuid, command="true")
    assert text.startswith("rpc error: code = Unavailable desc = connection error: desc = ") and "lost" in text
    assert jobs_of(site) == []


def test_a_worker_that_went_away_cannot_be_reached_but_its_jobs_can(site: Site, hand: HandWorker) -> None:
    job, given = started(site, hand)
    hand.report(given, Outcome.COMPLETED, 0)
    workers.sign_off(site.farm, hand.worker)
    assert site.error("/start", worker_id=hand.uuid, command="true").startswith("rpc error: code = Unavailable desc = ")
    assert site.query(hand.uuid, job) == ENDED


def jobs_of(site: Site) -> list[Any]:
    return site.farm.jobs.page(None, 100, None)[0]


# ---- stopping ------------------------------------------------------------------------------------------------------


def test_a_job_that_nobody_has_begun_is_killed_at_once(site: Site, hand: HandWorker) -> None:
    job = site.queued(hand.uuid)
    for _ in range(2):
        site.stop(hand.uuid, job)
        assert site.query(hand.uuid, job) == KILLED


def test_a_stopped_program_runs_until_its_worker_has_killed_it(site: Site, hand: HandWorker) -> None:
    job, given = started(site, hand)
    site.stop(hand.uuid, job)
    site.stop(hand.uuid, job)
    assert site.query(hand.uuid, job) == RUNNING
    hand.report(given, Outcome.CANCELED)
    assert site.query(hand.uuid, job) == KILLED


def test_stopping_what_has_ended_changes_nothing(site: Site, hand: HandWorker) -> None:
    job, given = started(site, hand)
    hand.report(given, Outcome.FAILED, 2, "exec: exit code 2")
    site.stop(hand.uuid, job)
    assert site.query(hand.uuid, job) == failed("exit status 2")


def test_a_program_that_ends_well_before_it_is_killed_has_ended_well(site: Site, hand: HandWorker) -> None:
    job, given = started(site, hand)
    site.stop(hand.uuid, job)
    hand.report(given, Outcome.COMPLETED, 0)
    assert site.query(hand.uuid, job) == ENDED


# ---- jobs ----------------------------------------------------------------------------------------------------------


def test_a_job_is_known_to_its_own_worker_only(site: Site, hand: HandWorker) -> None:
    job, other = site.queued(hand.uuid), HandWorker(site)
    for call in ("/stop", "/query"):
        assert site.error(call, worker_id=other.uuid, job_id=job) == NO_JOB
    assert site.query(hand.uuid, job) == RUNNING


def test_ids_of_other_kinds_name_nothing_here(site: Site, hand: HandWorker) -> None:
    job = site.queued(hand.uuid)
    number = id_of(job)
    step = {"tasks": [{"name": "a", "task_type": "exec", "commands": [{"name": "exec", "settings": {"cmd": "true"}}]}]}
    other = jobs.submit(site.farm, Submission("another type", "commands", step))
    for wrong in (
        str(number),
        f"{number:024x}",
        uuid_of(number + 1),
        uuid_of(other.id),
        uuid_of(hand.worker.id),
        "",
        "x",
    ):
        assert site.error("/query", worker_id=hand.uuid, job_id=wrong) == NO_JOB
        assert site.error("/stop", worker_id=hand.uuid, job_id=wrong) == NO_JOB
    for wrong in (str(hand.worker.id), f"{hand.worker.id:024x}", job, "", "nobody"):
        assert site.error("/query", worker_id=wrong, job_id=wrong) == NO_WORKER
    assert site.query(hand.uuid, job) == RUNNING


def test_a_command_from_elsewhere_can_be_queried_and_stopped_here(site: Site, hand: HandWorker) -> None:
    settings = {"cmd": "render --all", "worker": str(hand.worker.id)}
    job = uuid_of(jobs.submit(site.farm, Submission("from elsewhere", "command", settings)).id)
    assert site.query(hand.uuid, job) == RUNNING
    site.stop(hand.uuid, job)
    assert site.query(hand.uuid, job) == KILLED


def test_a_command_with_large_settings_is_found_too(site: Site, hand: HandWorker) -> None:
    job = site.queued(hand.uuid, "true", "é" * 49_990)
    assert jobs.get(site.farm, id_of(job)).settings is None
    assert site.query(hand.uuid, job) == RUNNING
