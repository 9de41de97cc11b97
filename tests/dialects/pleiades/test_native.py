"""The native worker protocol (`docs/native-protocol.md`): every call but the contract, good and bad."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import requests

from chalicelib.core import jobs, logs, workers
from chalicelib.core.lifecycle import WorkerStatus
from chalicelib.core.model import Load
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.native_worker import SELF, Native, enlist, lease, recorded_keys, submit
from tests.dialects.pleiades.test_bad_input import assert_refused


@pytest.fixture
def worker(site: Site) -> Native:
    return enlist(site)


def test_registration_tells_the_secret_once(site: Site) -> None:
    answer = site.post("/worker", {"runtime": ["bash"], "worker": SELF}).json()
    assert list(answer) == recorded_keys("register")
    assert len(answer["secret"]) == 43 and int(answer["uuid"].replace("-", "")[-13:], 16) == int(answer["id"])
    kept = workers.get(site.farm, int(answer["id"]))
    assert kept.abilities == {"sleep", "transcode", "function:bash"} and kept.slots == 2
    assert answer["secret"] not in repr(kept)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"worker": {"task_types": []}}, "worker.name"),
        ({"worker": {**SELF, "slots": "2"}}, "worker.slots"),
        ({"worker": {**SELF, "slots": 0}}, "worker.slots"),
        ({"worker": {**SELF, "color": "red"}}, "worker.color"),
        ({"worker": SELF, "runtimes": ["x"]}, "runtimes"),
        ({"worker": SELF, "runtime": "bash"}, "runtime"),
        ({"worker": {**SELF, "name": "a\nb"}}, "name"),
        ({"worker": None}, "worker"),
    ],
)
def test_a_native_registration_is_strict(site: Site, wrong: dict[str, Any], named: str) -> None:
    assert named in assert_refused(site.post("/worker", wrong), 400)


@pytest.mark.parametrize("action", ["sign-on", "sign-off", "contract", "renew", "log", "status"])
def test_every_call_needs_the_workers_own_secret(site: Site, worker: Native, action: str) -> None:
    other = enlist(site)
    url, body = f"{site.url}/worker/{worker.id}/{action}", {"slots": 0, "request_id": "k"}
    for auth in (None, (worker.id, "wrong"), (worker.id, other.secret), (other.id, other.secret), (worker.id, "")):
        assert_refused(requests.post(url, json=body, auth=auth, timeout=10), 401)


def test_an_unknown_worker_is_told_so(site: Site) -> None:
    assert Native(site, "7", "x").call("sign-on", {"runtime": [], "worker": SELF}).status_code in (401, 404)


def test_an_old_contract_cannot_speak_for_a_native_worker(site: Site, worker: Native) -> None:
    job = site.job(runtime="bash")
    answer = site.post(f"/worker/{worker.id}/contract", {"tags": [], "timeout": 0})
    assert answer.status_code == 401 and site.state(job) == "Enqueued"
    assert worker.ok("contract", {"tags": [], "timeout": 0})["job"] == job


def test_a_worker_without_a_secret_cannot_speak_natively(site: Site) -> None:
    old = site.old_worker()
    for secret in ("", "None", old):
        assert Native(site, old, secret).call("contract", {"request_id": "k", "slots": 1}).status_code == 401


def test_signing_on_releases_what_the_worker_no_longer_knows(site: Site, worker: Native) -> None:
    submit(site, 2)
    kept, forgotten = worker.take(), worker.take()
    answer = worker.ok("sign-on", {"runtime": ["bash"], "worker": SELF, "held": [lease(kept)]})
    assert list(answer) == recorded_keys("sign_on")
    assert worker.report(kept)["accepted"] is True
    late = worker.report(forgotten)
    assert late["accepted"] is False and late["message"]
    again = worker.take()
    assert (again["task"], again["generation"]) == (forgotten["task"], forgotten["generation"] + 1)


def test_signing_on_tells_anew_what_the_worker_can(site: Site, worker: Native) -> None:
    worker.ok("sign-on", {"runtime": ["lua54"], "worker": {"name": "other"}})
    kept = workers.get(site.farm, int(worker.id))
    assert (kept.name, kept.abilities, kept.status) == ("other", {"function:lua54"}, WorkerStatus.STARTING)


def test_signing_off_releases_everything(site: Site, worker: Native) -> None:
    submit(site)
    held = worker.take()
    assert list(worker.ok("sign-off", {})) == recorded_keys("sign_off")
    assert workers.get(site.farm, int(worker.id)).status is WorkerStatus.OFFLINE
    assert enlist(site).take()["task"] == held["task"]


# ---- renew and log -------------------------------------------------------------------------------------------------


def test_renewing_notes_progress_and_tells_what_is_lost(site: Site, worker: Native) -> None:
    submit(site, 2)
    held, lost = worker.take(), worker.take()
    worker.report(lost, "released")
    site.clock.ahead_ms += 60_000
    wanted = [{**lease(held), "progress": 42.7, "activity": "converting"}, {**lease(lost), "progress": None}]
    answer = worker.ok("renew", {"leases": wanted})
    assert list(answer) == recorded_keys("renew")
    assert [one["held"] for one in answer["leases"]] == [True, False]
    assert 119 < answer["leases"][0]["lease_seconds"] <= 120
    task = site.farm.tasks.get(int(held["task"]))
    assert task is not None and (task.progress, task.activity) == (42, "converting")


def test_renewing_hears_of_a_cancel(site: Site, worker: Native) -> None:
    job = submit(site)
    held = worker.take()
    jobs.cancel(site.farm, job.id)
    [notice] = worker.ok("renew", {"leases": [{**lease(held), "progress": None, "activity": None}]})["cancel"]
    assert lease(notice) == lease(held)


@pytest.mark.parametrize("wrong", [{"progress": 101}, {"progress": -1}, {"progress": "5"}, {"activity": 5}])
def test_a_renewal_is_strict(site: Site, worker: Native, wrong: dict[str, Any]) -> None:
    wanted = {"task": "5", "generation": 1, "progress": None, "activity": None} | wrong
    assert next(iter(wrong)) in assert_refused(worker.call("renew", {"leases": [wanted]}), 400)


def test_a_log_is_what_was_sent_also_after_the_end(site: Site, worker: Native) -> None:
    submit(site)
    held = worker.take()
    first = {**lease(held), "offset": 0, "text": "grüße\n"}
    assert worker.ok("log", first)["next_offset"] == 8
    assert worker.ok("log", first)["next_offset"] == 8
    worker.report(held)
    assert worker.ok("log", {**lease(held), "offset": 8, "text": "end\n"})["next_offset"] == 12
    task = site.farm.tasks.get(int(held["task"]))
    assert task is not None and logs.read(site.farm, task, None, 0).data.decode() == "grüße\nend\n"


def test_a_large_piece_of_log_goes_past_the_farm(site: Site, worker: Native) -> None:
    submit(site)
    held, piece = worker.take(), b"x" * 300_000
    digest = hashlib.sha256(piece).hexdigest()
    answer = worker.ok("log", {**lease(held), "offset": 0, "size": len(piece), "sha256": digest})
    assert answer["next_offset"] == len(piece)
    upload = answer["upload"]
    requests.put(site.url + upload["url"], headers=upload["headers"], data=piece, timeout=10).raise_for_status()
    task = site.farm.tasks.get(int(held["task"]))
    assert task is not None and logs.read(site.farm, task, None, 0).data == piece
    too_large = worker.call("log", {**lease(held), "offset": 0, "text": piece.decode()})
    assert "announce" in assert_refused(too_large, 413)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"generation": 7}, 409),
        ({"task": "7"}, 404),
        ({"offset": -1}, 400),
        ({"text": None}, 400),
        ({"size": 5}, 400),
        ({"text": None, "size": 5, "sha256": "x"}, 400),
        ({"more": 1}, 400),
    ],
)
def test_a_log_is_strict(site: Site, worker: Native, wrong: dict[str, Any], status: int) -> None:
    submit(site)
    body = {**lease(worker.take()), "offset": 0, "text": "x"} | wrong
    assert_refused(worker.call("log", body), status)


@pytest.mark.parametrize("status", ["offline", "lost", "AWAKE", None, 5])
def test_a_worker_becomes_only_what_it_can(worker: Native, status: Any) -> None:
    assert_refused(worker.call("status", {"status": status}), 400)


def test_a_sign_on_or_off_that_comes_twice_or_late_takes_no_task_away(site: Site) -> None:
    submit(site)
    worker = enlist(site)
    hello = {"runtime": [], "worker": SELF, "held": []}

    def at_start(number: int) -> dict[str, dict[str, str]]:
        return {"headers": {"X-Millrace-Start": str(number)}}

    assert worker.call("sign-on", hello, **at_start(7)).status_code == 200
    assert worker.call("sign-on", hello, **at_start(8)).status_code == 200
    assignment = worker.take()
    assert worker.call("sign-on", hello, **at_start(8)).status_code == 200  # doubled
    assert worker.call("sign-on", hello, **at_start(7)).status_code == 409  # of a process that is gone
    assert worker.call("sign-off", {}, **at_start(7)).status_code == 200
    assert worker.report(assignment)["accepted"] is True


def test_how_busy_the_machine_is_goes_along_with_a_contact_that_is_noted(site: Site, worker: Native) -> None:
    def says(load: str) -> Load | None:
        site.clock.ahead_ms += 30_000
        heard = worker.call("renew", {"leases": []}, headers={"X-Millrace-Load": load})
        assert heard.status_code == 200
        return workers.get(site.farm, int(worker.id)).load

    assert workers.get(site.farm, int(worker.id)).load is None
    assert says("cpu=53, memory=41") == Load(53, 41)
    for nonsense in ("cpu=101, memory=5", "cpu=x", "", "cpu=5, memory=5; DROP"):
        assert says(nonsense) == Load(53, 41)
