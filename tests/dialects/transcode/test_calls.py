"""The calls to the master: both spellings of everything mean the same, and a job looks as the sheet has it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chalicelib.core import jobs
from chalicelib.dialects.transcode import registrations, routes
from tests.dialects.transcode.conftest import INVALID_VALUE, OK, Site
from tests.dialects.transcode.scripted_worker import ScriptedWorker

JOB = {"src_filename": "concert.bin", "dst_dir": "/media/out/"}


@pytest.mark.parametrize(
    "names",
    [("register_worker", "register"), ("worker_heartbeat", "heartbeat"), ("unregister", "unregister_worker")],
)
def test_two_names_of_a_call_are_one_call(names: tuple[str, str]) -> None:
    views = {route.path.removeprefix("/master/"): route.view for route in routes.ROUTES}
    assert views[names[0]] is views[names[1]]


@pytest.mark.parametrize(
    "body",
    [
        {"job": JOB},
        {"task": JOB},
        {"job": {"srt_path": "concert.bin", "dst_dir": "/media/out/"}},
        {"job": {"src_path": "concert.bin", "dst_dir": "/media/out/"}},
        {"job": {**JOB, "dst_format": None, "segments": "", "map_filename": None, "colour": "red"}},
        {"type": 1, "job": JOB},
        {"type": "request", "job": JOB},
    ],
)
def test_a_job_is_added_in_any_spelling(site: Site, body: dict[str, Any]) -> None:
    answer = site.send("POST", "/master/add_job", json=body).json()
    job_id = answer["job_id"]
    assert answer == {**OK, "job_id": job_id, "task_id": job_id}
    assert site.job(job_id)["src_filename"] == "concert.bin"


def test_a_job_looks_as_both_generations_of_clients_expect(site: Site) -> None:
    before = int(time.time())
    job_id = site.call("add_job", job={**JOB, "segments": "1-5:2-10"})["job_id"]
    job = site.job(job_id)
    assert job.pop("create_time") in (before, before + 1)
    assert job == {
        "id": job_id,
        "state": 1,
        "result": 0,
        "srt_path": "concert.bin",
        "src_path": "concert.bin",
        "dst_path": "",
        "progress": 0,
        "src_filename": "concert.bin",
        "dst_dir": "/media/out/",
        "dst_format": "flv",
        "segments": "1-5:2-10",
    }


def test_numbers_become_texts(site: Site) -> None:
    job = site.job(site.add(src_filename=2017, dst_format="mp4"))
    assert (job["src_filename"], job["srt_path"]) == ("2017", "2017")


@pytest.mark.parametrize("name", ["job_id", "task_id", "id"])
def test_what_changes_nothing_may_be_asked_for_by_get(site: Site, name: str) -> None:
    job_id = site.add()
    query = {name: job_id}
    assert site.send("GET", "/master/get_job", params=query).json() == {**OK, "job": site.job(job_id)}
    assert site.send("GET", "/master/get_job_state", params=query).json() == {**OK, "state": 1, "result": 0}
    found = site.send("GET", "/master/get_jobs", params={"start_index": 0, "limit": 5, "sortby": "time"}).json()
    assert found == site.call("get_jobs", limit=5) and found["jobs"] == [site.job(job_id)]
    assert site.send("GET", "/master/get_job").json() == {**OK, "job": {}}
    assert site.send("GET", "/master/get_job_state").json() == INVALID_VALUE


def test_pages_without_bounds_have_ten_jobs(site: Site) -> None:
    made = [site.add() for _ in range(12)]
    found = site.call("get_jobs")
    assert (found["start_index"], found["num_jobs"], found["total"]) == (0, 10, 12)
    assert [job["id"] for job in found["jobs"]] == made[:10]
    assert [job["id"] for job in site.call("get_jobs", start_index=10)["jobs"]] == made[10:]


def test_a_paused_job_is_ready_and_a_canceled_one_has_failed(site: Site) -> None:
    job_id = site.add()
    jobs.pause(site.farm, site.core_job(job_id).id)
    assert site.call("get_job_state", job_id=job_id) == {**OK, "state": 1, "result": 0}
    jobs.cancel(site.farm, site.core_job(job_id).id)
    assert site.call("get_job_state", job_id=job_id) == {**OK, "state": 3, "result": -1}
    assert (site.job(job_id)["state"], site.job(job_id)["result"], site.job(job_id)["dst_path"]) == (3, -1, "")


def test_a_job_that_is_removed_is_gone(site: Site) -> None:
    kept, removed = site.add(), site.add()
    assert site.call("remove_job", task_id=removed) == OK
    assert site.job(removed) == {} and site.call("get_job_state", job_id=removed) == INVALID_VALUE
    assert [job["id"] for job in site.call("get_jobs")["jobs"]] == [kept]


def test_progress_is_the_mean_of_the_tasks(site: Site, worker: ScriptedWorker) -> None:
    """Two pieces, and beside them the sound, the join and the tidying, which have not begun."""
    site.register(worker, cuts=True)
    job_id = site.add(segments="0-60:60-120")
    site.round()
    worker.becomes(worker.given[0]["id"], 2, progress=80)
    site.round()
    site.hear()
    assert site.job(job_id)["progress"] == 10  # 40 % of one step in four
    assert site.job(job_id)["state"] == 2


@pytest.mark.parametrize("said", [{"worker_state": 1}, {"state": 1}, {"worker_state": 1, "state": 0}])
def test_a_heartbeat_says_in_either_spelling_that_a_worker_is_busy(site: Site, said: dict[str, int]) -> None:
    me = site.call("register_worker", ip="10.0.0.7", port=20001, state=0)["worker_id"]
    assert site.call("worker_heartbeat", worker_id=me, **said) == OK
    [entry] = registrations.entries(site.farm)
    assert entry.busy


@pytest.mark.parametrize("meant", ["10.0.0.7:20001", "10.0.0.720001", "10.0.0.7"])
def test_a_worker_is_named_in_any_of_three_ways(site: Site, meant: str) -> None:
    for ip in ("10.0.0.7", "10.0.0.8"):
        site.call("register", worker_id=ip, worker_port=20001)
    assert site.beat(meant, state=1) == OK
    busy = [entry.address for entry in registrations.entries(site.farm) if entry.busy]
    assert busy == ["10.0.0.7:20001"]
    assert site.call("unregister_worker", worker_id=meant) == OK
    assert [entry.address for entry in registrations.entries(site.farm)] == ["10.0.0.8:20001"]
