"""The pull generation: a worker asks, fetches, runs and reports, and learns from the answers when it must stop."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from chalicelib.core import jobs, leases, logs, workers
from chalicelib.core.lifecycle import Outcome
from chalicelib.dialects.flamenco1 import documents, fleet, handing, reporting, submitting
from tests.dialects.flamenco1.conftest import Site

SCENE = {"filepath": "a.blend", "frames": "1,3-5", "format": "PNG", "command_name": "default"}


def a_zip(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def started(site: Site, number: int = 41, **fields: Any) -> dict[str, Any]:
    """A registered worker that has just been given this task."""
    site.send(number, **fields)
    site.register()
    answer = site.poll()
    assert answer.status_code == 200, answer.text
    given: dict[str, Any] = answer.json()
    return given


def test_the_normal_session(site: Site) -> None:
    form = {"type": "blender_simple_render", "settings": json.dumps(SCENE), "job_id": 6}
    files = {"jobfile": ("jobfile.zip", a_zip(scene="a"), "application/zip")}
    sent = site.call("POST", "/tasks", data={"task_id": 42, "parser": "blender_render", **form}, files=files)
    assert (sent.status_code, sent.json()["status"]) == (202, "ready")
    assert site.call("GET", "/").status_code == 200
    site.register()
    given = site.poll().json()
    assert list(given["options"]) == ["task_id", "job_id", "task_parser", "settings", "type", "task_command"]
    assert (given["options"]["task_id"], given["options"]["job_id"], given["options"]["settings"]) == (42, 6, SCENE)
    assert given["files"]["jobfiles"][0] == ["jobfile", "jobfile.zip"]
    assert json.loads(given["options"]["task_command"])[0] == "==command=="
    progress = {"job_id": 6, "task_id": 42, "time_cost": 0, "log": "", "activity": '{"process": ""}'}
    assert site.report(42, "active", **progress).status_code == 204
    assert zipfile.ZipFile(io.BytesIO(site.call("GET", "/tasks/zip/6").content)).namelist() == ["scene"]
    assert "pre_render.py" in zipfile.ZipFile(io.BytesIO(site.call("GET", "/tasks/zip/sup/6").content)).namelist()
    assert site.call("GET", "/static/storage/6/dependencies_42.zip").status_code == 404
    assert site.call("GET", "/job-types/blender_simple_render").json()["commands"]["default"]["Linux"] == "blender"
    assert site.workers()["node7"]["current_task"] == 42
    assert site.workers()["node7"]["status"] == "rendering"
    site.report(42, "active", **{**progress, "log": "Fra:1", "time_cost": 3})
    done = {"status": "completed", "time_cost": 9, "log": "Saved", "job_id": 6, "activity": '{"process": ""}'}
    taskfile = {"taskfile": ("taskfile.zip", a_zip(frame="1"), "application/zip")}
    assert site.call("PATCH", "/tasks/42", data=done, files=taskfile).status_code == 204
    assert site.job_status(42) == "completed"
    task = site.task(42)
    assert [output.name for output in task.outputs] == ["taskfile.zip"] and task.result == {"time_cost": 9}
    assert site.workers()["node7"]["current_task"] is None and site.workers()["node7"]["status"] == "enabled"


def test_who_has_nothing_to_do_is_told_400(site: Site) -> None:
    site.register()
    answer = site.poll()
    assert (answer.status_code, answer.json()) == (400, "")


def test_who_is_not_registered_is_told_403(site: Site) -> None:
    answer = site.poll()
    assert (answer.status_code, answer.json()) == (403, "Worker is not registered")


def test_a_task_has_its_number_even_before_the_call_that_brought_it_has_written_it_down(site: Site) -> None:
    """Or when that call died in between: the job is there, and workers find it."""
    site.send(41)
    fleet.notes(site.farm).delete("task/41")
    site.register()
    assert site.poll().status_code == 200
    assert site.report(41, "active", job_id=6).status_code == 204
    assert site.report(41, "completed", job_id=6).status_code == 204
    assert site.job_status(41) == "completed"
    assert site.send(41).json()["status"] == "ready", "sent again it begins anew"


def test_a_lost_answer_is_given_again(site: Site) -> None:
    assert site.send(41).status_code == 202
    site.register()
    assert site.poll().json() == site.poll().json()


def test_what_was_about_to_be_pushed_to_a_worker_that_turns_out_to_pull_is_its_own(site: Site) -> None:
    """The call to it finds nobody, after it was given the task by its own: that must not take it away again."""
    site.send(41)
    worker = site.register()
    member = fleet.find(site.farm, worker)
    assert member is not None
    pushed = handing.next_task(site.farm, member, None)
    assert pushed is not None
    assert site.poll().json()["options"]["task_id"] == 41
    leases.give_back(site.farm, pushed.task.id, pushed.task.generation, Outcome.RELEASED, "its worker is not free")
    lease = site.task(41).lease
    assert lease is not None and lease.seconds == reporting.SILENT_SECONDS
    assert site.report(41, "completed", job_id=6).status_code == 204
    assert site.job_status(41) == "completed"


def test_two_workers_behind_one_address_are_told_apart_by_name(site: Site) -> None:
    site.send(41)
    site.send(42)
    numbers = set()
    for name in ("node7", "node8"):
        site.register(name)
        numbers.add(site.poll(name).json()["options"]["task_id"])
    assert numbers == {41, 42}
    assert {name: one["current_task"] for name, one in site.workers().items()} == {"node7": 41, "node8": 42}
    for number in numbers:
        assert site.report(number, "completed", job_id=1).status_code == 204
        assert site.job_status(number) == "completed"


def test_a_worker_that_registers_again_has_dropped_its_task(site: Site) -> None:
    """Before it began: as if it had never been given. After: it is lost, and a Server's task has failed."""
    started(site)
    site.register()
    assert site.task(41).status == "queued"
    site.poll()
    site.report(41, "active", job_id=1)
    site.register()
    assert site.job_status(41) == "failed"


def test_a_canceled_task_is_stopped_by_the_next_answer(site: Site) -> None:
    started(site)
    site.report(41, "active", job_id=1)
    assert site.call("DELETE", "/tasks", data={"tasks": [41]}).json() == 41
    answer = site.report(41, "active", job_id=1)
    assert (answer.status_code, answer.json()) == (403, "Task cancelled")
    assert site.report(41, "canceled", job_id=1).status_code == 204
    assert site.job_status(41) == "canceled" and site.task(41).status == "canceled"


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        *(("active", "rendering"), ("running", "rendering"), ("completed", "finished"), ("finished", "finished")),
        *(("failed", "failed"), ("canceled", "aborted"), ("aborted", "aborted"), ("Completed", "finished")),
    ],
)
def test_both_generations_words_are_taken_and_the_documents_are_told(site: Site, word: str, shown: str) -> None:
    started(site)
    assert site.report(41, word, job_id=1).status_code == 204
    known = submitting.find(site.farm, 41)
    assert known is not None and documents.task_document(known)["status"] == shown


def test_a_report_of_nobody_is_stopped(site: Site) -> None:
    answer = site.report(41, "active", job_id=1)
    assert (answer.status_code, answer.json()) == (403, "Worker is not registered")


def test_a_disabled_worker_stops_and_gets_nothing(site: Site) -> None:
    worker = site.register()
    site.poll()
    site.call("PATCH", f"/workers/status/{worker}", data={"status": "disabled"})
    site.send(41)
    answer = site.poll()
    assert (answer.status_code, answer.json()) == (403, "Worker is disabled")
    site.register()
    assert site.workers()["node7"]["status"] == "disabled"
    site.call("PATCH", f"/workers/status/{worker}", data={"status": "enabled"})
    assert site.poll().status_code == 200


def test_a_worker_disabled_through_the_farm_is_disabled_here(site: Site) -> None:
    worker = site.register()
    workers.request_status(site.farm, worker, "asleep", lazy=True)
    assert site.workers()["node7"]["status"] == "disabled"
    assert site.poll().status_code == 403
    workers.request_status(site.farm, worker, "awake", lazy=True)
    assert site.poll().status_code == 400
    assert site.workers()["node7"]["status"] == "enabled"


def test_a_report_of_another_address_counts_for_nothing(site: Site) -> None:
    started(site)

    member = next(fleet.everybody(site.farm))
    fleet.note(site.farm, member, address="10.0.0.9")
    assert site.report(41, "finished").status_code == 204
    assert site.report(41, "completed", job_id=1).status_code == 403
    assert site.task(41).status == "active"


def test_reports_of_a_task_that_somebody_else_has_now_stop_the_worker(site: Site) -> None:
    started(site)
    site.report(41, "active", job_id=1)
    task = site.task(41)

    leases.give_back(site.farm, task.id, task.generation, Outcome.RELEASED, "elsewhere")
    answer = site.report(41, "active", job_id=1)
    assert (answer.status_code, answer.json()) == (403, "Task cancelled")
    site.poll()
    site.send(42)
    assert site.report(42, "active", job_id=1).json() == "Duplicated task"


def test_a_final_report_whose_answer_was_lost_may_come_again(site: Site) -> None:
    started(site)
    for _ in range(2):
        assert site.report(41, "completed", job_id=1).status_code == 204
    assert site.job_status(41) == "completed"


def test_a_silent_worker_keeps_its_task_for_an_hour(site: Site) -> None:
    started(site)
    task = site.task(41)
    assert task.lease is not None and task.lease.seconds == pytest.approx(3600)


@pytest.mark.parametrize(
    ("task_type", "command", "argv"),
    [
        ("exec", {"name": "exec", "settings": {"argv": ["ls", "-l"]}}, ["ls", "-l"]),
        ("exec", {"name": "exec", "settings": {"cmd": "ls 'a b'"}}, ["ls", "a b"]),
        ("sleep", {"name": "sleep", "settings": {"time_in_seconds": 2.5}}, ["sleep", "2.5"]),
        ("debug", {"name": "echo", "settings": {"message": "hello"}}, ["echo", "hello"]),
    ],
)
def test_a_job_from_elsewhere_is_run(site: Site, task_type: str, command: Any, argv: list[str]) -> None:
    job = site.submit(command, task_type=task_type)
    site.register()
    options = site.poll().json()["options"]
    assert json.loads(options["task_command"]) == argv
    assert (options["task_id"], options["job_id"]) == (job.first_task, job.id)
    assert site.call("GET", f"/job-types/{options['type']}").status_code == 200
    site.report(options["task_id"], "active", job_id=job.id)
    assert site.workers()["node7"]["current_task"] == job.first_task
    site.report(options["task_id"], "completed", job_id=job.id)
    assert jobs.get(site.farm, job.id).status == "completed"


def test_what_cannot_be_expressed_goes_back_and_does_not_stand_in_the_way(site: Site) -> None:
    copy = {"name": "copy_file", "settings": {"src": "a", "dest": "b"}}
    job = site.submit(copy, priority=90)
    site.send(41)
    site.register()
    assert site.poll().json()["options"]["task_id"] == 41
    task = site.task_of(job)
    assert (task.status, task.failures, [attempt.outcome for attempt in task.attempts]) == ("queued", 0, ["released"])
    site.report(41, "completed", job_id=1)
    assert site.poll().status_code == 400
    assert len(site.task_of(job).attempts) == 1, "it is not offered again with every poll"


def test_a_program_killed_by_nobody_of_the_farm_failed(site: Site) -> None:
    """-9 is `canceled` here. A job of somebody else must not end as canceled by that."""
    job = site.submit({"name": "exec", "settings": {"argv": ["x"]}})
    site.register()
    number = site.poll().json()["options"]["task_id"]
    site.report(number, "canceled", job_id=job.id)
    assert site.task_of(job).attempts[-1].outcome == "failed"


def test_a_log_of_which_only_the_end_is_sent_is_kept_and_followed_as_a_whole(site: Site) -> None:
    """These workers send the last 256 characters, again and again."""
    started(site)
    whole = "".join(f"Fra:{number} \N{SNOWMAN} rendered\n" for number in range(40))
    ends = [30, 30, 256, 300, 400, 650, len(whole), len(whole)]
    followed = b""
    for end in ends:
        site.report(41, "active", job_id=1, log=whole[:end][-256:])
        followed += logs.read(site.farm, site.task(41), None, len(followed)).data
        assert followed.decode() == whole[:end]
    site.report(41, "completed", job_id=1, log=(whole + "Saved\n")[-256:])
    assert logs.read(site.farm, site.task(41), None, 0).data.decode() == whole + "Saved\n"


def test_a_log_with_a_gap_has_what_was_sent(site: Site) -> None:
    started(site)
    site.report(41, "active", job_id=1, log="the beginning\n")
    site.report(41, "completed", job_id=1, log="THE END")
    assert logs.read(site.farm, site.task(41), None, 0).data == b"the beginning\nTHE END"


def test_lower_numbers_go_first(site: Site) -> None:
    for number, priority in ((41, 60), (42, 10), (43, 50)):
        site.send(number, priority=priority)
    site.register()
    order = []
    for _ in range(3):
        order.append(site.poll().json()["options"]["task_id"])
        site.report(order[-1], "completed", job_id=1)
    assert order == [42, 43, 41]
