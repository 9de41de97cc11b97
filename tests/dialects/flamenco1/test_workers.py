"""Who a worker is, how it stands in the list, and what changes that."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import workers
from chalicelib.dialects.flamenco1 import fleet
from tests.dialects.flamenco1.conftest import Site

KEYS = ["id", "hostname", "status", "activity", "log", "time_cost", "connection", "system", "port", "ip_address"]


def test_a_worker_at_its_start_finds_json_at_the_root(site: Site) -> None:
    """A page of HTML would be the end of it. Another generation asks for `/info` and takes any answer."""
    answer = site.call("GET", "/", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert list(answer.json()) == ["message"]
    assert site.call("GET", "/info").status_code < 500


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"]
)
def test_a_worker_is_where_its_connection_comes_from_whatever_it_says(site: Site, header: str) -> None:
    form = {"hostname": "node7", "port": 5000, "system": "Linux"}
    said = "for=10.9.9.9" if header == "Forwarded" else "10.9.9.9"
    assert site.call("POST", "/workers", data=form, headers={header: said}).status_code == 204
    assert site.workers()["node7"]["ip_address"] == "127.0.0.1"
    site.send(41)
    assert site.call("GET", "/tasks/compiled/0?worker=node7", headers={header: said}).status_code == 200
    done = {"status": "completed", "job_id": 1}
    assert site.call("PATCH", "/tasks/41", data=done, headers={header: said}).status_code == 204
    assert site.job_status(41) == "completed"


def test_all_that_is_known_of_a_worker_is_always_there(site: Site) -> None:
    site.register()
    workers.register(site.farm, workers.Description(name="ours", task_types=("exec",)), with_secret=True)
    for worker in site.workers().values():
        assert list(worker) == [*KEYS, "current_task"]


def test_who_registers_again_is_the_same_worker(site: Site) -> None:
    assert site.register() == site.register(system="Linux 6.1")
    assert site.workers()["node7"]["system"] == "Linux 6.1"


def test_a_worker_that_pulls_shows_no_log_and_is_offline_after_five_minutes(site: Site) -> None:
    worker = site.register()
    site.poll()
    site.call("PATCH", f"/workers/{worker}", data={"log": "much", "time_cost": 3})
    shown = site.workers()["node7"]
    assert (shown["log"], shown["time_cost"], shown["connection"]) == ("", 3, "online")
    site.clock.pass_seconds(299)
    assert site.workers()["node7"]["connection"] == "online"
    site.clock.pass_seconds(2)
    assert site.workers()["node7"]["connection"] == "offline"
    site.register()
    assert site.workers()["node7"]["connection"] == "online"


def test_a_worker_that_pulls_is_online_though_it_was_called_before_it_said_so(site: Site) -> None:
    """It registers like any other, and at that moment a round of calls may come to a port where nobody listens."""
    fleet.note(site.farm, fleet.find(site.farm, site.register()), reachable=False)  # type: ignore[arg-type]
    assert site.workers()["node7"]["connection"] == "offline"
    site.poll()
    assert site.workers()["node7"]["connection"] == "online"


def test_a_worker_that_cannot_be_asked_is_told_of_as_far_as_it_is_known(site: Site) -> None:
    worker = site.register()
    site.poll()
    answer = site.call("GET", f"/workers/{worker}")
    assert answer.status_code == 200
    known = {"hostname": "node7", "system": "Linux 5.15", "connection": "online", "status": "enabled"}
    assert {name: answer.json()[name] for name in known} == known


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        *(("enabled", "enabled"), ("available", "enabled"), ("Available", "enabled"), ("rendering", "rendering")),
        *(("RENDERING", "rendering"), ("busy", "busy"), ("Disabled", "disabled")),
    ],
)
@pytest.mark.parametrize("path", ["/workers/{}", "/workers/status/{}"])
def test_a_worker_may_be_any_of_these(site: Site, path: str, word: str, shown: str) -> None:
    worker = site.register()
    answer = site.call("PATCH", path.format(worker), data={"status": word})
    assert (answer.status_code, answer.json()) == (200, {"task_id": None, "status": shown})
    assert site.workers()["node7"]["status"] == shown


def test_what_a_worker_does_not_say_of_itself_stays_as_it_was(site: Site) -> None:
    path = f"/workers/{site.register()}"
    site.call("PATCH", path, data={"activity": '{"process": "x"}', "log": "line", "time_cost": 5})
    site.call("PATCH", path, json={"status": "rendering", "activity": None})
    shown = site.workers()["node7"]
    said = {name: shown[name] for name in ("status", "activity", "log", "time_cost")}
    assert said == {"status": "rendering", "activity": '{"process": "x"}', "log": "line", "time_cost": 5}


def test_who_is_disabled_does_not_enable_itself(site: Site) -> None:
    worker = site.register()
    site.call("PATCH", f"/workers/status/{worker}", data={"status": "disabled"})
    answer = site.call("PATCH", f"/workers/{worker}", data={"status": "enabled", "log": "x"})
    assert answer.json() == {"task_id": None, "status": "disabled"}
    assert site.workers()["node7"]["log"] is None
    assert site.call("PATCH", f"/workers/status/{worker}", data={"status": "enabled"}).json()["status"] == "enabled"


def test_a_worker_that_says_it_is_available_hears_which_task_it_has(site: Site) -> None:
    worker = site.register()
    site.send(41)
    site.poll()
    assert site.call("PATCH", f"/workers/{worker}", data={"status": "available"}).json()["task_id"] == 41


@pytest.mark.parametrize("path", ["/workers/{}", "/tasks/41"])
def test_what_a_worker_says_of_itself_is_kept_within_bounds(site: Site, path: str) -> None:
    worker = site.register()
    site.send(41)
    site.poll()
    much: Any = {"status": "active" if "task" in path else "rendering", "activity": "a" * 500_000, "log": "l" * 500_000}
    assert site.call("PATCH", path.format(worker), data=much).status_code in (200, 204)
    member = fleet.find(site.farm, worker)
    assert member is not None
    assert len(member.activity or "") == 1000 and len(member.log or "") <= 1000
