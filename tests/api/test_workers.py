"""Workers, as clients of `/api/v1` see them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import workers
from chalicelib.edge.uuids import id_of
from tests.api.bench import Bench

LONG_SILENCE = 200_000


def test_a_worker_is_shown(bench: Bench) -> None:
    worker, _ = bench.worker("node7", secret=True)
    shown = bench.get(f"/workers/{worker.id}")
    assert shown == {
        "id": str(worker.id),
        "uuid": shown["uuid"],
        "name": "node7",
        "status": "starting",
        "status_requested": None,
        "task_types": ["sleep"],
        "tags": [],
        "slots": 1,
        "load": None,
        "tasks": [],
        "platform": "",
        "software": "",
        "last_contact_at": "2023-11-14T22:13:20.000Z",
    }
    assert id_of(shown["uuid"]) == worker.id
    assert bench.get("/workers") == {"items": [shown], "next": None}


def test_what_it_holds_is_told_for_as_long_as_it_holds_it(bench: Bench) -> None:
    worker, _ = bench.worker()
    bench.job({"count": 2})
    first, second = bench.take(worker), bench.take(worker)
    assert bench.get(f"/workers/{worker.id}")["tasks"] == [str(first.task.id), str(second.task.id)]
    bench.end(first)
    assert bench.get("/workers")["items"][0]["tasks"] == [str(second.task.id)]


def test_a_silent_worker_is_lost_without_any_sweep(bench: Bench) -> None:
    bench.worker("silent")
    bench.clock.advance(LONG_SILENCE)
    bench.worker("loud")
    assert [(w["name"], w["status"]) for w in bench.get("/workers")["items"]] == [
        ("loud", "starting"),
        ("silent", "lost"),
    ]
    assert [w["name"] for w in bench.get("/workers?status=lost")["items"]] == ["silent"]


def test_workers_are_listed_newest_first_page_by_page_also_with_a_filter(bench: Bench) -> None:
    for n in range(3):
        bench.worker(f"lost {n}")
    bench.clock.advance(LONG_SILENCE)
    for n in range(3):
        bench.worker(f"here {n}")
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = bench.get("/workers?status=lost&limit=2" + (cursor and f"&cursor={cursor}"))
        seen += [worker["name"] for worker in page["items"]]
        cursor = page["next"]
    assert seen == ["lost 2", "lost 1", "lost 0"]


@pytest.mark.parametrize(
    ("query", "field"), [("status=dead", "status"), ("limit=0", "limit"), ("cursor=%", "cursor"), ("name=x", "name")]
)
def test_a_wrong_parameter_is_named(bench: Bench, query: str, field: str) -> None:
    refused = bench.call("GET", f"/workers?{query}")
    assert (refused.status, refused.json["field"]) == (400, field)


def test_a_worker_is_asked_to_sleep(bench: Bench) -> None:
    worker, _ = bench.worker()
    asked = bench.post(f"/workers/{worker.id}/status", {"status": "asleep", "lazy": True})
    assert (asked["status"], asked["status_requested"]) == ("starting", "asleep")
    kept = workers.get(bench.farm, worker.id)
    assert kept.lazy is True
    workers.has_become(bench.farm, kept, "asleep")
    assert bench.get(f"/workers/{worker.id}")["status_requested"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "status"),
        ({"status": "lost"}, "status"),
        ({"status": 1}, "status"),
        ({"status": "asleep", "lazy": 1}, "lazy"),
        ({"status": "asleep", "lazi": True}, "lazi"),
    ],
)
def test_a_wrong_request_to_a_worker_is_named(bench: Bench, body: dict[str, Any], field: str) -> None:
    worker, _ = bench.worker()
    refused = bench.call("POST", f"/workers/{worker.id}/status", body)
    assert (refused.status, refused.json["field"]) == (400, field)
    assert workers.get(bench.farm, worker.id).status_requested is None


def test_what_is_offline_cannot_be_sent_away(bench: Bench) -> None:
    worker, _ = bench.worker()
    workers.sign_off(bench.farm, worker)
    workers.request_status(bench.farm, worker.id, "awake", lazy=False)
    assert bench.call("POST", f"/workers/{worker.id}/status", {"status": "offline"}).status == 409


def test_a_few_workers_are_looked_at_again_by_their_ids(bench: Bench) -> None:
    first, second, _ = (bench.worker(name)[0] for name in ("one", "two", "three"))
    told = bench.get(f"/workers?ids={first.id},{second.id},{first.id},7")
    assert ([worker["name"] for worker in told["items"]], told["next"]) == (["one", "two"], None)


@pytest.mark.parametrize("ids", ["", "x", "1,,2", "1;2", ",".join(["1"] * 101), "-1"])
def test_ids_that_are_none_are_refused(bench: Bench, ids: str) -> None:
    refused = bench.call("GET", f"/workers?ids={ids}")
    assert refused.status == 400 and refused.json["field"] == "ids"


def test_a_worker_that_is_gone_is_forgotten_and_one_that_calls_is_not(bench: Bench) -> None:
    worker, _ = bench.worker("here")
    refused = bench.call("DELETE", f"/workers/{worker.id}")
    assert (refused.status, refused.json["status"]) == (409, 409) and "offline first" in refused.json["detail"]
    bench.clock.advance(LONG_SILENCE)
    assert bench.call("DELETE", f"/workers/{worker.id}").status == 204
    assert bench.get("/workers")["items"] == []
    assert bench.call("DELETE", f"/workers/{worker.id}").status == 404
