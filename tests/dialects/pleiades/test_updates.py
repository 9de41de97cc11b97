"""`POST /job/{id}`: what an update does to a job in each state, and what other doors see of it."""

from __future__ import annotations

import pytest

from chalicelib.compilers import JOB_TYPES
from chalicelib.core import jobs, leases, sweeping
from chalicelib.core.jobs import Submission
from chalicelib.core.lifecycle import JobStatus, Outcome, TaskStatus
from chalicelib.dialects.pleiades import translate
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.native_worker import enlist


def job_in(site: Site, state: str) -> str:
    """A job brought into that state by a worker."""
    job = site.job()
    if state != "Enqueued":
        assert site.contract(site.old_worker()) == job
    if state not in ("Enqueued", "Running"):
        assert site.update(job, state).status_code == 200
    assert site.state(job) == state
    return job


@pytest.mark.parametrize(
    ("state", "word", "becomes"),
    [
        ("Enqueued", "running", "Enqueued"),
        ("Enqueued", "enqueued", "Enqueued"),
        ("Enqueued", "cancelled", "Cancelled"),
        ("Enqueued", "finished", None),
        ("Enqueued", "error", None),
        ("Running", "running", "Running"),
        ("Running", "enqueued", "Enqueued"),
        ("Running", "cancelled", "Cancelled"),
        ("Running", "canceled", "Cancelled"),
        ("Running", "FINISHED", "Finished"),
        ("Running", "error", "Error"),
        ("Running", "Failed", "Error"),
        ("Finished", "finished", "Finished"),
        ("Finished", "error", None),
        ("Finished", "running", None),
        ("Finished", "enqueued", None),
        ("Cancelled", "cancelled", "Cancelled"),
        ("Cancelled", "finished", None),
        ("Error", "failed", "Error"),
        ("Error", "enqueued", None),
    ],
)
def test_an_update(site: Site, state: str, word: str, becomes: str | None) -> None:
    job = job_in(site, state)
    answer = site.update(job, word, output="0")
    expected = (200, 0, becomes) if becomes else (409, 1, state)
    assert (answer.status_code, answer.json()["code"], site.state(job)) == expected


def test_an_error_is_final_although_a_retry_is_left(site: Site) -> None:
    job = job_in(site, "Error")
    assert site.contract(site.old_worker()) is None
    assert jobs.get(site.farm, int(job)).status is JobStatus.FAILED


def test_state_counts_where_it_differs_from_status(site: Site) -> None:
    job = job_in(site, "Running")
    site.post(f"/job/{job}", {"status": "finished", "state": "cancelled"})
    assert site.state(job) == "Cancelled"


def test_an_output_that_is_not_stored_is_refused(site: Site) -> None:
    job = job_in(site, "Running")
    answer = site.update(job, "finished", output="12345")
    assert answer.status_code == 400 and "output" in answer.json()["message"]
    assert site.state(job) == "Running"


def test_an_output_without_a_word_is_refused(site: Site) -> None:
    job = job_in(site, "Running")
    assert site.post(f"/job/{job}", {"output": site.upload(b"x")}).status_code == 400
    assert site.post(f"/job/{job}", {}).json() == {"code": 0, "status": "ok", "message": "Job found"}


def test_a_silent_worker_loses_the_job_once_and_then_it_is_an_error(site: Site) -> None:
    job = site.job()
    for state in ("Enqueued", "Error"):
        assert site.contract(site.old_worker()) == job
        site.clock.ahead_ms += 3_500_000
        sweeping.sweep(site.farm)
        assert site.state(job) == "Running", "an hour is not over"
        site.clock.ahead_ms += 300_000
        sweeping.sweep(site.farm)
        assert site.state(job) == state


def test_an_hour_of_silence_is_for_workers_of_this_protocol_whoever_submitted_the_job(site: Site) -> None:
    elsewhere = Submission("elsewhere", "function", {"runtime": "lua54"})
    submitted = jobs.submit(site.farm, elsewhere)
    assert site.contract(site.old_worker()) == str(submitted.id)
    site.clock.ahead_ms += 3_500_000
    sweeping.sweep(site.farm)
    assert site.state(str(submitted.id)) == "Running"


def test_our_own_worker_renews_its_lease_of_such_a_job_as_of_any_other(site: Site) -> None:
    worker = enlist(site, task_types=["function:lua54"])
    site.job()
    assert worker.take()["lease_seconds"] <= 120


def test_a_worker_whose_job_was_canceled_elsewhere_learns_it_from_its_own_update(site: Site) -> None:
    job = job_in(site, "Running")
    jobs.cancel(site.farm, int(job))
    assert site.state(job) == "Cancelled"
    assert site.update(job, "finished", output="0").status_code == 409
    task = site.farm.tasks.get(int(job) + 1)
    assert task is not None and task.status is TaskStatus.CANCELED
    assert site.update(job, "cancelled", output="0").status_code == 200


def test_what_was_submitted_elsewhere_is_shown_and_worked_off_here(site: Site) -> None:
    code, content = site.upload(b"code"), site.upload(b"input")
    settings = {"code": code, "runtime": "lua54", "input": content}
    job = str(jobs.submit(site.farm, jobs.Submission("from the API", "function", settings)).id)
    seen = site.get(f"/job/{job}").json()
    assert seen["lambda"] == {"id": "0", "codex": code, "runtime": "lua54"} and seen["input"] == {"id": content}
    assert site.contract(site.old_worker()) == job
    assert site.update(job, "finished", output=content).status_code == 200
    assert [output.blob for output in jobs.get(site.farm, int(job)).outputs] == [int(content)]


def test_unknown_code_and_input_are_the_workers_business(site: Site) -> None:
    huge = str(2**62)
    job = site.job(input_id=huge, code="1")
    assert site.contract(site.old_worker()) == job
    seen = site.get(f"/job/{job}").json()
    assert (seen["input"], seen["lambda"]["codex"]) == ({"id": huge}, "1")


def test_a_plain_tag_excludes_nobody_and_signs_do(site: Site) -> None:
    worker = site.old_worker()
    wished = site.job(tags=["eu"])
    assert site.contract(worker) == wished
    required = site.job(tags=["+gpu"])
    assert site.contract(worker) is None
    assert site.contract(worker, tags=["+gpu"]) == required
    forbidden = site.job(tags=["-slow"])
    assert site.contract(worker, tags=["slow"]) is None
    assert site.contract(worker) == forbidden


def test_among_waiting_jobs_the_best_fit_goes_first_and_then_the_oldest(site: Site) -> None:
    first, second, fitting = site.job(), site.job(), site.job(tags=["eu"])
    worker = site.old_worker()
    assert [site.contract(worker, tags=["eu"]) for _ in range(3)] == [fitting, first, second]


def test_a_runtime_is_matched_as_a_whole(site: Site) -> None:
    job = site.job(runtime="lua54+http")
    assert site.contract(site.old_worker("lua54", "http")) is None
    assert site.contract(site.old_worker("lua54+http")) == job


def test_the_trace_tells_what_happened(site: Site) -> None:
    job = site.job()
    worker = site.old_worker()
    for word in ("enqueued", "finished"):
        assert site.contract(worker) == job
        site.update(job, word, output="0")
    trace = site.get(f"/job/{job}/trace").json()
    assert [entry["state"] for entry in trace["trace"]] == ["Enqueued", "Running", "Enqueued", "Running", "Finished"]
    assert trace["trace"][1]["worker"] == worker


def test_a_failed_attempt_that_is_tried_again_leads_back_to_the_queue(site: Site) -> None:
    job = site.job()
    assert site.contract(site.old_worker()) == job
    said = leases.Report(Outcome.FAILED, error="it broke")
    leases.report(site.farm, None, int(job) + 1, 1, said)
    ended = site.get(f"/job/{job}/trace").json()["trace"][-1]
    assert (ended["state"], ended["outcome"], ended["message"]) == ("Enqueued", "failed", "it broke")


def test_the_update_of_one_worker_counts_for_the_attempt_of_another(site: Site) -> None:
    """No identity, no generation: the sheet says so, and so does the room's README."""
    job = job_in(site, "Running")
    site.update(job, "enqueued")
    assert site.contract(site.old_worker()) == job
    assert site.update(job, "finished", output="0").status_code == 200


def test_every_status_of_the_core_has_a_word_here() -> None:
    assert set(translate.STATES) == set(TaskStatus)
    assert set(translate.JOB_STATES) == set(JobStatus)
    assert translate.JOB_TYPE in JOB_TYPES
