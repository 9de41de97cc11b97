"""The push generation: the farm calls the worker, and the worker reports when its program has ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chalicelib.config import Settings
from chalicelib.core import jobs, logs, sweeping
from chalicelib.dialects.flamenco1 import fleet, pushing
from chalicelib.edge import current
from tests.dialects.flamenco1.conftest import Site
from tests.dialects.flamenco1.pushed_worker import PushedWorker

Start = Callable[..., PushedWorker]
ACTIVITY = '{"process": "", "current_frame": null, "remaining": null, "thumbnail": null}'


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    """A worker that listens and has registered."""
    begun: list[PushedWorker] = []

    def one(hostname: str = "node7", **manners: bool | int) -> PushedWorker:
        worker = PushedWorker(**manners)  # type: ignore[arg-type]
        begun.append(worker)
        site.register(hostname, worker.port)
        return worker

    yield one
    for worker in begun:
        worker.stop()


def a_round(site: Site, seconds: float = 0) -> None:
    site.clock.pass_seconds(seconds)
    pushing.push_round(site.farm, current.pusher())


def test_the_normal_session(site: Site, start: Start) -> None:
    worker = start()
    known = site.workers()["node7"]
    sent = site.send(41).json()
    assert sent == {
        **{"id": 41, "worker_id": known["id"], "priority": 50, "frame_start": 0, "frame_end": 0, "frame_current": 0},
        **{"status": "rendering", "format": ""},
    }
    form = worker.given[0]
    assert (form["task_id"], form["task_parser"]) == ("41", "blender_render")
    assert json.loads(form["settings"]) == {"text": "hi"} and json.loads(form["task_command"]) == ["echo", "hi"]
    worker.log = "so far"
    a_round(site, 11)
    assert site.workers()["node7"] == {
        **{**known, "status": "rendering", "activity": '{"process": "rendering"}', "log": "so far", "time_cost": 7},
        "current_task": 41,
    }
    assert logs.read(site.farm, site.task(41), None, 0).data == b"so far"
    worker.busy = False
    done = {"time_cost": 8, "log": "hi\n", "activity": ACTIVITY}
    assert site.report(41, "finished", **done).status_code == 204
    assert site.job_status(41) == "completed"
    assert logs.read(site.farm, site.task(41), None, 0).data == b"hi\n"
    free = site.workers()["node7"]
    assert (free["status"], free["current_task"], free["activity"], free["log"]) == ("enabled", None, None, None)


def test_a_task_that_waited_goes_to_whoever_becomes_free(site: Site, start: Start) -> None:
    worker = start()
    assert [site.send(number).json()["status"] for number in (41, 42)] == ["rendering", "ready"]
    worker.busy = False
    site.report(41, "finished")
    a_round(site)
    assert [form["task_id"] for form in worker.given] == ["41", "42"]


def test_nobody_to_take_it_leaves_it_queued(site: Site) -> None:
    assert site.send(41).json()["status"] == "ready"
    assert site.send(42).json()["worker_id"] == 0


def test_deleting_a_task_kills_its_program(site: Site, start: Start) -> None:
    worker = start()
    site.send(41)
    answer = site.call("DELETE", "/tasks/41")
    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (202, 41, "aborted")
    assert "DELETE /kill" in worker.calls and not worker.busy
    assert site.job_status(41) == "canceled"
    assert site.report(41, "aborted", log="").status_code == 204
    assert site.workers()["node7"]["status"] == "enabled"


def test_a_worker_that_has_ended_its_task_gets_the_next_at_once(site: Site, start: Start) -> None:
    """It was found busy when it was last asked, and is known to be free since."""
    worker = start()
    site.send(41)
    for number, end in ((42, lambda: site.report(41, "finished")), (43, lambda: site.call("DELETE", "/tasks/42"))):
        a_round(site, 11)
        worker.busy = False
        end()
        assert site.send(number).json()["status"] == "rendering"


def test_kill_takes_a_pid_where_the_program_wants_one(site: Site, start: Start) -> None:
    worker = start(kill_needs_pid=True)
    site.send(41)
    site.call("DELETE", "/tasks/41")
    assert worker.calls[-3:] == ["DELETE /kill", "GET /pid", "DELETE /kill/77"]
    assert site.task(41).status == "canceled"


def test_a_job_canceled_through_the_farm_is_killed_by_the_next_round(site: Site, start: Start) -> None:
    worker = start()
    site.send(41)
    jobs.cancel(site.farm, site.task(41).job)
    assert site.task(41).status == "active"
    a_round(site)
    assert not worker.busy and site.task(41).status == "canceled"


def test_a_busy_worker_gets_nothing_until_it_is_free(site: Site, start: Start) -> None:
    worker = start()
    worker.busy = True
    assert site.send(41).json()["status"] == "ready"
    assert worker.given == [] and site.task(41).failures == 0
    worker.busy = False
    a_round(site, 3)
    assert [form["task_id"] for form in worker.given] == ["41"]


def test_a_worker_that_refuses_a_task_is_spared_it(site: Site, start: Start) -> None:
    worker = start(refusal=400)
    assert site.send(41).json()["status"] == "ready"
    a_round(site)
    assert worker.calls.count("POST /execute_task") == 1
    task = site.task(41)
    assert (task.status, task.failures, len(task.excluded)) == ("queued", 0, 1)


def test_a_worker_that_falls_silent_is_offline_at_once_and_loses_its_task_with_its_lease(
    site: Site, start: Start
) -> None:
    worker = start()
    site.send(41)
    worker.stop()
    a_round(site, 11)
    assert site.workers()["node7"]["connection"] == "offline"
    assert site.task(41).status == "active"
    site.clock.pass_seconds(300)
    sweeping.sweep(site.farm)
    assert site.job_status(41) == "failed"


def test_a_worker_that_answers_keeps_its_task_however_long_it_takes(site: Site, start: Start) -> None:
    start()
    site.send(41)
    for _ in range(10):
        a_round(site, 60)
        sweeping.sweep(site.farm)
    assert site.task(41).status == "active" and len(site.task(41).attempts) == 0


def test_a_worker_found_idle_twice_has_lost_its_report(site: Site, start: Start) -> None:
    worker = start()
    site.send(41)
    worker.busy = False
    a_round(site, 11)
    assert site.task(41).status == "active", "its report may still be on its way"
    a_round(site, 11)
    assert site.job_status(41) == "failed"


def test_run_info_of_a_worker_that_is_gone(site: Site, start: Start) -> None:
    worker = start()
    path = f"/workers/{site.workers()['node7']['id']}"
    assert site.call("GET", path).json()["mac_address"] == 97802341123
    worker.stop()
    assert site.call("GET", path).json() == {"connection": "offline"}


def test_a_disabled_worker_is_not_pushed_to(site: Site, start: Start) -> None:
    worker = start()
    site.call("PATCH", f"/workers/status/{site.workers()['node7']['id']}", data={"status": "disabled"})
    assert site.send(41).json()["status"] == "ready"
    a_round(site, 11)
    assert worker.given == []


def test_two_workers_of_one_machine_differ_by_port(site: Site, start: Start) -> None:
    one, other = start("node7"), start("node7")
    site.send(41)
    site.send(42)
    assert len(one.given) == len(other.given) == 1
    assert {name: worker["port"] for name, worker in site.workers().items()} == {
        **{"node7": one.port, f"node7:{other.port}": other.port}
    }


def test_a_worker_is_asked_before_it_is_given_a_task_and_every_ten_seconds(site: Site, start: Start) -> None:
    worker = start()
    a_round(site)
    assert worker.calls == [], "it has just said that it is there"
    site.send(41)
    assert worker.calls == ["GET /info", "POST /execute_task"]
    a_round(site, 9)
    assert len(worker.calls) == 2
    a_round(site, 2)
    assert worker.calls[2:] == ["GET /info"]


def test_a_worker_that_answers_nonsense_is_offline(site: Site, start: Start) -> None:
    worker = start()
    worker.info = '{"status": "enabled", "time_cost": NaN}'
    a_round(site, 11)
    assert site.workers()["node7"]["connection"] == "offline"
    worker.info = None
    a_round(site, 61)
    assert site.workers()["node7"]["connection"] == "online"


def test_a_pushed_program_with_much_to_say_is_listed_with_the_end_of_it(site: Site, start: Start) -> None:
    worker = start()
    site.send(41)
    worker.log = "x" * 100_000 + "the end"
    a_round(site, 11)
    shown = site.workers()["node7"]["log"]
    assert len(shown) == 1000 and shown.endswith("the end")
    assert len(logs.read(site.farm, site.task(41), None, 0).data) == 100_007


def test_a_worker_that_asks_for_tasks_is_never_pushed_to(site: Site, start: Start) -> None:
    worker = start()
    member = next(fleet.everybody(site.farm))
    fleet.note(site.farm, member, pulls=True)
    site.send(41)
    a_round(site, 11)
    assert worker.calls == []


def test_tasks_with_placeholders_wait_for_workers_that_pull(site: Site, start: Start) -> None:
    worker = start()
    scene = json.dumps({"filepath": "a.blend", "frames": "1", "format": "PNG"})
    assert site.send(41, type="blender_simple_render", settings=scene).json()["status"] == "ready"
    assert worker.given == []
    site.register("puller")
    assert site.poll("puller").json()["options"]["task_id"] == 41


def test_a_job_from_elsewhere_is_pushed(site: Site, start: Start) -> None:
    worker = start()
    job = site.submit({"name": "exec", "settings": {"argv": ["ls", "-l"]}})
    a_round(site)
    assert json.loads(worker.given[0]["task_command"]) == ["ls", "-l"]
    site.report(int(worker.given[0]["task_id"]), "finished")
    assert site.task_of(job).status == "completed"


def test_where_nothing_is_allowed_nothing_is_called(site: Site, start: Start, settings: Settings) -> None:
    current.serve(site.farm, replace(settings, push_networks=()))
    worker = start()
    assert site.send(41).json()["status"] == "ready"
    a_round(site, 11)
    assert worker.calls == []
    path = f"/workers/{site.workers()['node7']['id']}"
    assert site.call("GET", path).json() == {"connection": "offline"}


def test_the_loop_call_is_one_round(site: Site, start: Start) -> None:
    worker = start()
    site.submit({"name": "exec", "settings": {"argv": ["ls"]}})
    assert site.call("GET", "/workers/loop").status_code == 204
    assert len(worker.given) == 1
