"""What people and their dashboards see of workers, and what they make them do."""

from __future__ import annotations

from typing import Any

from chalicelib.config import VERSION
from chalicelib.core import workers
from chalicelib.edge import hexids
from tests.dialects.flamenco2.conftest import Flamenco, Site

WORKER_KEYS = [
    "_id",
    "nickname",
    "address",
    "status",
    "platform",
    "time_cost",
    "supported_task_types",
    "software",
    "status_requested",
    "lazy_status_request",
    "sleep_schedule",
    "last_activity",
]
ACTIVE_KEYS = ["current_task", "current_task_status", "current_job"]


def state(site: Site) -> dict[str, Any]:
    answer = site.get("/as-json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    return dict(answer.json())


def act(site: Site, worker: Flamenco, action: str, **form: str) -> int:
    return site.post(f"/worker-action/{worker.id}", data={"action": action, **form}).status_code


def test_the_state_of_the_farm(site: Site) -> None:
    site.submit(3)
    zoe, adam = site.worker(nickname="zoe"), site.worker(nickname="adam")
    task = zoe.take()
    found = state(site)
    shown = found.pop("workers")
    assert found == {
        "nr_of_workers": 2,
        "nr_of_tasks": 3,
        "upstream_queue_size": 0,
        "version": VERSION,
        "manager_name": "Millrace",
        "manager_mode": "standard",
        "server": {"name": "Millrace", "url": f"{site.url}/"},
    }
    assert [worker["_id"] for worker in shown] == [adam.id, zoe.id]
    assert [list(worker) for worker in shown] == [WORKER_KEYS, WORKER_KEYS + ACTIVE_KEYS]
    assert [shown[1][key] for key in ACTIVE_KEYS] == [task["_id"], "active", task["job"]]
    assert "hash" not in str(shown) and zoe.secret not in str(shown)


def test_workers_of_the_same_name_are_sorted_by_their_status(site: Site) -> None:
    site.worker().post("/sign-off")
    site.worker().ask()
    assert [worker["status"] for worker in state(site)["workers"]] == ["awake", "offline"]


def test_a_worker_has_no_status_until_its_first_call(site: Site) -> None:
    worker = site.worker()
    assert site.seen(worker)["status"] == ""
    site.clock.ahead_ms += 1
    worker.post("/sign-on", {})
    assert site.seen(worker)["status"] == "starting"
    worker.ask()
    assert site.seen(worker)["status"] == "awake"


def test_workers_of_every_protocol_are_seen(site: Site) -> None:
    worker, _ = workers.register(site.farm, workers.Description("ours", runtimes=("python3",)), with_secret=True)
    [shown] = state(site)["workers"]
    assert (shown["_id"], shown["nickname"]) == (hexids.hex_of(worker.id), "ours")
    assert shown["supported_task_types"] == ["function:python3"]


def test_a_worker_that_fell_silent_is_acknowledged_and_what_it_held_is_free(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    worker.take()
    assert act(site, worker, "ack-timeout") == 400
    site.clock.ahead_ms += 100_000
    assert site.seen(worker)["status"] == "timeout"
    assert act(site, worker, "ack-timeout") == 204
    assert site.seen(worker)["status"] == "offline" and site.statuses(job) == ["queued"]


def test_a_worker_that_fell_silent_wakes_with_its_next_call(site: Site) -> None:
    worker = site.worker()
    worker.ask()
    site.clock.ahead_ms += 100_000
    assert site.seen(worker)["status"] == "timeout"
    assert worker.post("/task").status_code == 204
    assert site.seen(worker)["status"] == "awake"


def test_only_what_a_worker_can_do_is_asked_of_it(site: Site) -> None:
    worker = site.worker()
    for word in ("asleep", "awake", "shutdown"):
        assert act(site, worker, "set-status", status=word, lazy="true") == 204
        shown = site.seen(worker)
        assert (shown["status_requested"], shown["lazy_status_request"]) == (word, True)
    for word in ("testing", "error", "timeout", "offline", "starting", ""):
        assert act(site, worker, "set-status", status=word) == 400
    assert act(site, worker, "shutdown") == 204
    shown = site.seen(worker)
    assert (shown["status_requested"], shown["lazy_status_request"]) == ("shutdown", False)
