"""The manager calls workers: what it offers to whom, how it follows tasks, what it makes of silence and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from chalicelib.config import Settings
from chalicelib.core import jobs
from chalicelib.core.farm import Farm
from chalicelib.core.jobs import Submission
from chalicelib.core.lifecycle import Outcome, TaskStatus, WorkerStatus
from chalicelib.core.workers import liveness, request_status
from chalicelib.dialects.transcode import pushing, registrations
from chalicelib.edge import current
from tests.contract.replay import OverHttp, check_recording
from tests.dialects.transcode.conftest import FAILURE, OK, Site
from tests.dialects.transcode.scripted_worker import ScriptedWorker

WORKER_FOLDER = Path(__file__).parents[2] / "contract" / "transcode" / "worker"


def outcomes(site: Site, job: str, index: int = 0) -> list[Outcome]:
    return [attempt.outcome for attempt in site.task(job, index).attempts]


def test_a_whole_session_of_a_client_and_a_worker(site: Site, worker: ScriptedWorker) -> None:
    me = site.register(worker)
    job = site.add(map_filename="/maps/wide.map")
    assert (site.job(job)["state"], site.job(job)["result"], site.job(job)["dst_path"]) == (1, 0, "")
    site.round()
    task_id = f"{job}---segment0---task0"
    assert list(worker.tasks) == [task_id]
    assert site.beat(me, state=1) == OK
    worker.becomes(task_id, 2, progress=40.4)
    site.round()
    site.hear()
    assert (site.job(job)["state"], site.job(job)["progress"]) == (2, 40)
    worker.becomes(task_id, 3, progress=100)
    site.round()
    ended = site.job(job)
    assert (ended["state"], ended["result"], ended["progress"]) == (3, 0, 100)
    assert ended["dst_path"] == "/media/out/concert.bin.mp4"
    assert site.call("get_job_state", job_id=job) == {**OK, "state": 3, "result": 0}
    assert site.call("unregister", worker_id=me) == OK
    assert site.beat(me) == FAILURE


def test_a_task_is_sent_in_both_spellings(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add(map_filename="/maps/wide.map", src_file_id="9e107d9d372bb6826bd81d3542a419d6")
    site.round()
    [body] = worker.given
    task = body["task"]
    assert task["id"] == f"{job}---segment0---task0"
    assert task["src_file_id"] == "9e107d9d372bb6826bd81d3542a419d6"
    assert all(isinstance(value, str) and value for value in task.values())
    assert {name: body[name] for name in task} == task
    assert set(body) == {"type", "task", *task}


def test_a_worker_may_report_by_itself(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add()
    site.round()
    task_id = f"{job}---segment0---task0"
    done = {"task_id": task_id, "task_state": 3, "task_result": 0}
    assert site.call("set_task_result", **done) == OK
    assert site.call("set_task_result", **done) == OK, "the same once more changes nothing"
    assert site.job(job)["state"] == 3
    assert site.call("set_task_result", **{**done, "task_result": -1}) == FAILURE
    assert site.job(job)["result"] == 0


def test_a_report_in_the_shape_of_the_document_counts_too(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add()
    site.round()
    document = {"id": f"{job}---segment0---task0", "state": 2, "result": 0, "progress": 55}
    assert site.call("set_task_result", task=document) == OK
    assert site.task(job).progress == 55


def test_nobody_but_its_worker_reports_a_task(site: Site, worker: ScriptedWorker) -> None:
    job = site.add()
    said = {"task_id": f"{job}---segment0---task0", "task_state": 3, "task_result": 0}
    assert site.call("set_task_result", **said) == FAILURE, "nobody has it yet"
    site.register(worker)
    site.round()
    site.farm.aliases.note("transcode", "worker", worker.address, host="10.0.0.7", peer="10.0.0.7")
    assert site.call("set_task_result", **said) == FAILURE
    assert site.task(job).status is TaskStatus.ACTIVE


@pytest.mark.parametrize(("state", "result"), [(3, 0), (3, -1), (1, -1)])
def test_a_late_word_of_one_worker_does_not_end_the_attempt_of_another_on_the_same_machine(
    site: Site, worker: ScriptedWorker, another_worker: ScriptedWorker, state: int, result: int
) -> None:
    """Their reports look alike, so the one that has the task is asked itself."""
    site.register(worker)
    job = site.add()
    site.round()
    site.register(another_worker)
    task_id = f"{job}---segment0---task0"
    failed = {"task_id": task_id, "task_state": 3, "task_result": -1}
    assert site.call("set_task_result", **failed) == OK
    site.round()
    assert list(another_worker.tasks) == [task_id]
    assert site.call("set_task_result", task_id=task_id, task_state=state, task_result=result) == OK
    site.round()
    assert outcomes(site, job) == [Outcome.FAILED] and site.task(job).status is TaskStatus.ACTIVE
    another_worker.becomes(task_id, 3)
    assert site.call("set_task_result", task_id=task_id, task_state=3, task_result=0) == OK
    pushing.push_round(site.farm, current.pusher())
    assert outcomes(site, job) == [Outcome.FAILED, Outcome.COMPLETED]


def test_pieces_go_only_to_workers_that_can_cut(
    site: Site, worker: ScriptedWorker, another_worker: ScriptedWorker
) -> None:
    site.register(worker)
    site.register(another_worker, cuts=True)
    job = site.add(segments="0-90:120-150")
    site.round()
    assert worker.given == []
    [body] = another_worker.given
    task = body["task"]
    assert (task["from"], task["to"], task["src_filename"]) == (0, 45, "/media/concert.bin")
    assert task["dst_dir"].startswith("/media/out/.concert.bin.") and task["dst_dir"].endswith(".pieces/00000-1/")
    another_worker.becomes(task["id"], 3)
    site.round()
    assert site.task(job).result == {"path": task["dst_dir"] + "concert.bin.mp4"}
    ids = [f"{job}---segment0---task0", f"{job}---segment0---task1", f"{job}---segment1---task0"]
    site.round()
    assert another_worker.given[1]["task"]["id"] == ids[1]


def test_a_task_that_fails_is_tried_again_and_then_fails_the_job(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add()
    for _ in range(4):
        site.beat(worker.address)
        site.round()
        task_id = f"{job}---segment0---task0"
        assert task_id in worker.tasks
        worker.becomes(task_id, 3, result=-1)
        site.round()
        worker.tasks.clear()
    assert outcomes(site, job) == [Outcome.FAILED] * 4
    assert (site.job(job)["state"], site.job(job)["result"], site.job(job)["dst_path"]) == (3, -1, "")


def test_a_removed_job_is_canceled_where_it_runs(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add()
    site.round()
    assert site.call("remove_job", job_id=job) == OK
    assert site.job(job) == {}
    assert site.call("remove_job", job_id=job)["err_code"] == -3
    site.round()
    assert worker.calls[-1] == (
        "/worker/cancel_task",
        {"type": 0, "task_id": f"{job}---segment0---task0", "id": f"{job}---segment0---task0"},
    )
    assert worker.tasks == {}
    assert site.task(job).status is TaskStatus.CANCELED


def test_the_answer_of_the_unmodified_worker_is_a_refusal(
    site: Site, worker: ScriptedWorker, another_worker: ScriptedWorker
) -> None:
    worker.answer_with = {"err_msg": "Invalid value", "type": 1, "err_code": -3}
    site.register(worker)
    job = site.add()
    site.round()
    assert site.task(job).status is TaskStatus.QUEUED
    assert outcomes(site, job) == [Outcome.RELEASED]
    site.register(another_worker)
    site.round()
    assert list(another_worker.tasks) == [f"{job}---segment0---task0"]


@pytest.mark.parametrize("refusal", [{"err_code": -3}, {"error_code": -1}, "no object", {"err_code": "x"}])
def test_a_worker_that_refuses_three_times_is_left_alone_until_it_registers_anew(
    site: Site, worker: ScriptedWorker, refusal: object
) -> None:
    worker.answer_with = refusal  # type: ignore[assignment]
    site.register(worker)
    job = site.add()
    for _ in range(6):
        site.clock.pass_seconds(61)
        site.beat(worker.address)
        site.round()
    assert worker.paths().count("/worker/add_task") == 3
    worker.answer_with = None
    site.register(worker)
    site.round()
    assert list(worker.tasks) == [f"{job}---segment0---task0"]
    assert outcomes(site, job) == [Outcome.RELEASED] * 3, "refusals spend no retries"


def test_any_other_http_status_is_a_refusal(site: Site, worker: ScriptedWorker) -> None:
    worker.status = 500
    site.register(worker)
    job = site.add()
    site.round()
    assert site.task(job).status is TaskStatus.QUEUED


def test_one_that_does_not_answer_in_time_is_told_to_stop(site: Site, worker: ScriptedWorker) -> None:
    worker.silent.set()
    site.register(worker)
    job = site.add()
    site.round()
    assert worker.paths() == ["/worker/add_task", "/worker/cancel_task"]
    assert site.task(job).status is TaskStatus.QUEUED


def test_a_worker_silent_for_ten_seconds_is_lost_and_comes_back_with_a_heartbeat(
    site: Site, worker: ScriptedWorker
) -> None:
    me = site.register(worker)
    job = site.add()
    for _ in range(6):
        site.round()
    assert liveness(site.farm, site.worker(me)) is WorkerStatus.OFFLINE
    assert site.task(job).status is TaskStatus.QUEUED and outcomes(site, job) == [Outcome.LOST]
    late = site.call("set_task_result", task_id=f"{job}---segment0---task0", task_state=3, task_result=0)
    assert late == FAILURE
    assert site.beat(me) == OK
    site.round()
    assert site.task(job).status is TaskStatus.ACTIVE


def test_a_farm_that_was_away_gives_every_worker_ten_seconds_to_be_heard(
    site: Site, worker: ScriptedWorker, another_worker: ScriptedWorker
) -> None:
    """Nobody could send it a heartbeat: a conversion that runs is not given to somebody else for that."""
    me = site.register(worker)
    job = site.add()
    site.round()
    assert site.task(job).status is TaskStatus.ACTIVE
    other = site.register(another_worker)
    site.clock.pass_seconds(60)
    site.round()
    assert outcomes(site, job) == [] and site.task(job).status is TaskStatus.ACTIVE
    for _ in range(5):
        assert site.beat(me, state=1) == OK
        site.round()
    assert outcomes(site, job) == [] and site.task(job).status is TaskStatus.ACTIVE
    assert liveness(site.farm, site.worker(other)) is WorkerStatus.OFFLINE, "it is silent since the farm is back"


def test_a_worker_that_is_heard_of_at_the_last_moment_keeps_its_task(site: Site, worker: ScriptedWorker) -> None:
    me = site.register(worker)
    job = site.add()
    site.round()
    silent = registrations.find(site.farm, me, "127.0.0.1")
    site.clock.pass_seconds(10.1)
    site.beat(me, state=1)
    registrations.lose(site.farm, silent)
    assert outcomes(site, job) == [] and site.task(job).status is TaskStatus.ACTIVE
    assert not registrations.find(site.farm, me, "127.0.0.1").lost


def test_a_worker_that_leaves_gives_its_tasks_back(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add()
    site.round()
    assert site.call("unregister", worker_id=1714560000.25) == OK, "the real worker sends the time of day"
    assert site.task(job).status is TaskStatus.QUEUED and outcomes(site, job) == [Outcome.RELEASED]
    assert site.call("unregister", worker_id=1714560000.25) == FAILURE


def test_a_worker_that_has_forgotten_its_task_loses_it(site: Site, worker: ScriptedWorker) -> None:
    me = site.register(worker)
    job = site.add()
    site.round()
    worker.tasks.clear()
    site.round()
    assert site.task(job).status is TaskStatus.ACTIVE, "it may still be looking for it"
    for _ in range(4):
        site.beat(me)
        site.round()
    assert outcomes(site, job)[0] is Outcome.INTERRUPTED


def test_one_that_only_reports_keeps_its_task_while_it_calls_itself_busy(site: Site, worker: ScriptedWorker) -> None:
    me = site.register(worker)
    job = site.add()
    site.round()
    worker.answer_with = {"type": 1, "err_code": -3}
    for _ in range(100):
        site.clock.pass_seconds(3)
        site.beat(me, state=1)
    site.round()
    task = site.task(job)
    assert task.status is TaskStatus.ACTIVE and task.lease is not None
    assert task.lease.due_at > site.clock.now(), "renewed"


def test_a_busy_worker_is_offered_nothing(site: Site, worker: ScriptedWorker) -> None:
    me = site.register(worker, state=1)
    site.add()
    site.round()
    assert worker.given == []
    site.beat(me, state=0)
    site.round()
    assert len(worker.given) == 1
    site.add()
    site.round()
    assert len(worker.given) == 1, "one at a time"


def test_one_that_a_person_put_to_sleep_is_offered_nothing(site: Site, worker: ScriptedWorker) -> None:
    me = site.register(worker)
    request_status(site.farm, site.worker(me).id, "asleep", lazy=False)
    site.beat(me)
    assert site.worker(me).status is WorkerStatus.ASLEEP
    site.add()
    site.round()
    assert worker.given == []
    request_status(site.farm, site.worker(me).id, "awake", lazy=False)
    site.beat(me)
    site.round()
    assert len(worker.given) == 1


def test_what_only_our_own_workers_know_is_never_pushed(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker, cuts=True)
    task = {"name": "t", "task_type": "transcode", "commands": [{"name": "echo", "settings": {"message": "m"}}]}
    elsewhere = jobs.submit(site.farm, Submission("commands", "commands", {"tasks": [task]}))
    ours = jobs.submit(site.farm, Submission("ours", "transcode", {"input": "/media/a.mp4"}))
    for _ in range(3):
        site.beat(worker.address)
        site.round()
    assert worker.given == []
    assert site.tasks_of(elsewhere)[0].status is TaskStatus.QUEUED
    assert site.tasks_of(ours)[0].attempts == ()


def test_a_job_from_elsewhere_between_paths_is_run_and_shown(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    settings = {"input": "/media/a.mkv", "output_path": "/out/b.webm", "format": "webm", "whole_file": True}
    made = jobs.submit(site.farm, Submission("by the api", "transcode", settings))
    [shown] = site.call("get_jobs")["jobs"]
    assert (shown["src_filename"], shown["dst_dir"], shown["dst_format"]) == ("/media/a.mkv", "/out/", "webm")
    site.round()
    [body] = worker.given
    assert body["src_filename"] == "/media/a.mkv"
    worker.becomes(body["id"], 3)
    site.round()
    assert jobs.get(site.farm, made.id).status.value == "completed"


def test_nothing_is_pushed_where_the_operator_allowed_nothing(
    farm: Farm, settings: Settings, site: Site, worker: ScriptedWorker
) -> None:
    current.serve(farm, replace(settings, push_networks=()))
    site.register(worker)
    job = site.add()
    site.round()
    assert worker.calls == []
    assert site.task(job).attempts == ()


def test_an_address_outside_of_the_networks_is_never_called(site: Site, free_port: Callable[[], int]) -> None:
    answer = site.call("register_worker", ip="10.0.0.7", port=20001, state=0)
    job = site.add()
    site.round()
    assert site.task(job).status is TaskStatus.QUEUED
    [attempt] = site.task(job).attempts
    assert attempt.error is not None and "outside the networks" in attempt.error
    site.beat(answer["worker_id"])
    site.clock.pass_seconds(61)
    site.beat(answer["worker_id"])
    site.round()
    assert len(site.task(job).attempts) == 1, "nor is it offered anything more"


@pytest.mark.parametrize("ip", ["169.254.169.254", "2852039166", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0", "fe80::1"])
def test_a_worker_at_a_forbidden_address_is_never_called_whatever_the_operator_allowed(
    farm: Farm, settings: Settings, site: Site, worker: ScriptedWorker, ip: str
) -> None:
    current.serve(farm, replace(settings, push_networks=(ip_network("0.0.0.0/0"), ip_network("::/0"))))
    site.call("register", worker_id=ip, worker_port=worker.port, state=0)
    job = site.add()
    site.round()
    [attempt] = site.task(job).attempts
    assert attempt.error is not None and "never called" in attempt.error
    assert worker.calls == []


def test_a_worker_that_sends_its_master_elsewhere_is_not_followed(
    site: Site, worker: ScriptedWorker, another_worker: ScriptedWorker
) -> None:
    worker.status = 307
    worker.location = f"http://{another_worker.address}/worker/add_task"
    site.register(worker)
    job = site.add()
    site.round()
    assert worker.paths() == ["/worker/add_task"] and another_worker.calls == []
    assert site.task(job).status is TaskStatus.QUEUED


def test_the_bodies_sent_are_the_recorded_ones(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add(map_filename="/maps/wide.map")
    site.round()
    site.round()
    site.call("remove_job", job_id=job)
    site.round()
    for name in ("add_task", "get_task_info", "cancel_task"):
        recorded = json.loads((WORKER_FOLDER / f"{name}.json").read_text())["steps"][0]["request"]
        path, body = next(call for call in worker.calls if call[0].endswith(name))
        assert (path, sorted(body)) == (recorded["path"], sorted(recorded["json"]))
        assert sorted(body.get("task", {})) == sorted(recorded["json"].get("task", {}))


def test_a_report_is_answered_as_recorded(site: Site, worker: ScriptedWorker) -> None:
    site.register(worker)
    job = site.add()
    site.round()
    recording = (WORKER_FOLDER / "set_task_result.json").read_text().replace("$task", f"{job}---segment0---task0")
    transport = OverHttp()
    check_recording(json.loads(recording), transport, site.url)
    transport.close()
    assert site.job(job)["state"] == 3
