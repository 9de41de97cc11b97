"""The native worker protocol (`docs/native-protocol.md`): every call, good and bad."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.core import jobs, logs, workers
from chalicelib.core.lifecycle import JobStatus, WorkerStatus
from chalicelib.core.model import Job
from chalicelib.store.counting import CountingTable
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.test_bad_input import assert_refused

RECORDED = Path(__file__).parents[2] / "contract" / "native"
SELF = {
    "name": "node7",
    "task_types": ["sleep", "transcode"],
    "tags": ["gpu"],
    "slots": 2,
    "platform": "linux",
    "software": "millrace-worker/0.1.0",
}


@dataclass
class Native:
    """A worker as our agent is one, by hand."""

    site: Site
    id: str
    secret: str
    requests: int = 0
    held: list[dict[str, Any]] = field(default_factory=list)

    def call(self, action: str, body: Any, **options: Any) -> requests.Response:
        url = f"{self.site.url}/worker/{self.id}/{action}"
        return requests.post(url, json=body, auth=(self.id, self.secret), timeout=40, **options)

    def ok(self, action: str, body: Any) -> dict[str, Any]:
        answer = self.call(action, body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert (found["code"], found["status"]) == (0, "ok")
        return found

    def contract(self, **fields: Any) -> dict[str, Any]:
        self.requests += 1
        body = {"request_id": f"k{self.requests}", "slots": 0, "timeout": 0, "held": [], "reports": [], **fields}
        return self.ok("contract", body)

    def take(self) -> dict[str, Any]:
        [assignment] = self.contract(slots=1)["assignments"]
        return dict(assignment)

    def report(self, assignment: dict[str, Any], outcome: str = "completed", **fields: Any) -> dict[str, Any]:
        said = {**lease(assignment), "outcome": outcome, **fields}
        [verdict] = self.contract(reports=[said])["reports"]
        return dict(verdict)


def lease(assignment: dict[str, Any]) -> dict[str, Any]:
    return {"task": assignment["task"], "generation": assignment["generation"]}


def enlist(site: Site, **changes: Any) -> Native:
    answer = site.post("/worker", {"runtime": ["python3", "bash"], "worker": {**SELF, **changes}}).json()
    return Native(site, answer["id"], answer["secret"])


@pytest.fixture
def worker(site: Site) -> Native:
    return enlist(site)


def submit(site: Site, count: int = 1, **wanted: Any) -> Job:
    tasks = [
        {"name": f"t{n}", "task_type": "sleep", "commands": [{"name": "sleep", "settings": {"time_in_seconds": n}}]}
        for n in range(count)
    ]
    return jobs.submit(site.farm, jobs.Submission("a job", "commands", {"tasks": tasks}, **wanted))


def recorded_keys(name: str) -> list[str]:
    body = json.loads((RECORDED / f"{name}.json").read_text())["response"]["body"]
    return list(body)


# ---- register, sign on, sign off -----------------------------------------------------------------------------------


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


# ---- contract ------------------------------------------------------------------------------------------------------


def test_an_assignment_says_everything_the_worker_needs(site: Site, worker: Native) -> None:
    job = submit(site)
    answer = worker.contract(slots=1)
    assert list(answer) == recorded_keys("contract_assignment")
    [given] = answer["assignments"]
    recorded = json.loads((RECORDED / "contract_assignment.json").read_text())["response"]["body"]["assignments"][0]
    assert list(given) == list(recorded)
    assert (given["job"], given["job_name"], given["task_type"]) == (str(job.id), "a job", "sleep")
    assert given["commands"] == [{"name": "sleep", "settings": {"time_in_seconds": 0}}]
    assert 119 < given["lease_seconds"] <= 120


def test_a_function_comes_with_code_and_input(site: Site, worker: Native) -> None:
    code, content = site.upload(b"code"), site.upload(b"")
    job = site.job(runtime="bash", code=code, input_id=content)
    given = worker.take()
    assert (given["job"], given["task_type"], given["outputs"]) == (job, "function:bash", ["output"])
    assert given["commands"] == [{"name": "function", "settings": {"runtime": "bash"}}]
    assert [(i["name"], i["blob"], i["size"]) for i in given["inputs"]] == [("code", code, 4), ("input", content, 0)]


def test_up_to_as_many_tasks_as_slots_are_given(site: Site, worker: Native) -> None:
    submit(site, 5)
    assert len(worker.contract(slots=3)["assignments"]) == 3
    assert len(worker.contract(slots=3)["assignments"]) == 2
    assert worker.contract(slots=3)["assignments"] == []


def test_a_repeated_request_gets_the_same_lease(site: Site, worker: Native) -> None:
    submit(site, 2)
    [first] = worker.contract(slots=1, request_id="same")["assignments"]
    [again] = worker.contract(slots=1, request_id="same", repeat=True)["assignments"]
    assert lease(first) == lease(again)
    assert again["lease_seconds"] <= first["lease_seconds"]


def test_a_contract_waits_for_work_and_gets_it_at_once(site: Site, worker: Native) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: (worker.contract(slots=1, timeout=20.0), time.monotonic()))
        while not site.farm.bell._waiters:  # type: ignore[attr-defined]
            threading.Event().wait(0.01)
        submitted_at = time.monotonic()
        submit(site)
        answer, answered_at = future.result(30)
    assert len(answer["assignments"]) == 1 and answered_at - submitted_at < 1.0


def test_reports_are_applied_each_by_itself_and_only_once(site: Site, worker: Native) -> None:
    job = submit(site, 2)
    first, second = worker.take(), worker.take()
    lost = {**lease(first), "generation": 9, "outcome": "completed"}
    good = [{**lease(given), "outcome": "completed", "exit_code": 0, "error": None} for given in (first, second)]
    verdicts = worker.contract(reports=[lost, *good, good[0]])["reports"]
    assert [verdict["accepted"] for verdict in verdicts] == [False, True, True, True]
    assert list(verdicts[0]) == ["task", "generation", "accepted", "message"] and verdicts[0]["message"]
    assert jobs.get(site.farm, job.id).status is JobStatus.COMPLETED


def test_another_workers_task_cannot_be_reported(site: Site, worker: Native) -> None:
    submit(site)
    given = worker.take()
    assert enlist(site).report(given)["accepted"] is False
    assert worker.report(given)["accepted"] is True


def test_an_output_must_be_stored_before_the_report(site: Site, worker: Native) -> None:
    site.job(runtime="bash")
    given = worker.take()
    size, digest = 5, hashlib.sha256(b"hello").hexdigest()
    blob = site.post("/data", {"size": size, "sha256": digest}).json()
    outputs = [{"name": "output", "blob": blob["id"]}]
    refused = worker.report(given, outputs=outputs)
    assert refused["accepted"] is False and refused["message"].startswith("output missing:")
    site.upload(b"hello")
    assert worker.report(given, outputs=outputs, result={"frames": 1.5})["accepted"] is True
    assert jobs.get(site.farm, int(given["job"])).outputs[0].sha256 == digest


def test_a_failed_attempt_is_tried_again_elsewhere_with_its_reason_kept(site: Site, worker: Native) -> None:
    submit(site, max_retries=1)
    given = worker.take()
    long = "x" * 10_000 + " the reason"
    assert worker.report(given, "failed", exit_code=1, error=long)["accepted"] is True
    task = site.farm.tasks.get(int(given["task"]))
    assert task is not None and task.attempts[0].exit_code == 1
    kept = task.attempts[0].error or ""
    assert len(kept) < 3000 and kept.endswith("the reason")
    assert enlist(site).take()["task"] == given["task"]


def test_held_tasks_that_must_stop_are_named(site: Site, worker: Native) -> None:
    job = submit(site, 2)
    first, second = worker.take(), worker.take()
    assert worker.contract(held=[lease(first), lease(second)])["cancel"] == []
    jobs.cancel(site.farm, job.id)
    [one, other] = worker.contract(held=[lease(first), lease(second)])["cancel"]
    assert list(one) == ["task", "generation", "reason"] and one["reason"]
    assert {one["task"], other["task"]} == {first["task"], second["task"]}
    assert worker.report(first, "canceled")["accepted"] is True
    [lost] = worker.contract(held=[lease(first)])["cancel"]
    assert lost["reason"] == "its lease is lost"


def test_what_a_worker_has_forgotten_is_released_after_a_while(site: Site, worker: Native) -> None:
    submit(site)
    forgotten = worker.take()
    for _ in range(3):
        site.clock.ahead_ms += 31_000
        worker.contract(held=[])
    assert enlist(site).take()["task"] == forgotten["task"]


def test_what_is_asked_of_a_worker_is_told(site: Site, worker: Native) -> None:
    submit(site)
    workers.request_status(site.farm, int(worker.id), "asleep", lazy=True)
    answer = worker.contract(slots=1)
    assert (answer["assignments"], answer["status_requested"], answer["lazy"]) == ([], "asleep", True)
    assert list(worker.ok("status", {"status": "asleep"})) == recorded_keys("status")
    assert worker.contract()["status_requested"] is None
    assert workers.get(site.farm, int(worker.id)).status is WorkerStatus.ASLEEP


def test_the_next_interval_is_short_while_there_is_work(site: Site, worker: Native) -> None:
    idle = [worker.contract(slots=1)["poll_seconds"] for _ in range(20)]
    assert all(4.0 <= seconds <= 6.0 for seconds in idle) and len(set(idle)) > 5
    submit(site)
    assert worker.contract(slots=1)["poll_seconds"] <= 0.6


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"request_id": None}, "request_id"),
        ({"slots": -1}, "slots"),
        ({"slots": True}, "slots"),
        ({"timeout": "20"}, "timeout"),
        ({"held": [{"task": 5, "generation": 1}]}, "held.0.task"),
        ({"held": [{"task": "5"}]}, "held.0.generation"),
        ({"reports": [{"task": "5", "generation": 1, "outcome": "lost"}]}, "reports.0.outcome"),
        ({"reports": [{"task": "x", "generation": 1, "outcome": "failed"}]}, "reports.0.task"),
        ({"reports": [{"task": "99999999999999999", "generation": 1, "outcome": "failed"}]}, "reports.0.task"),
        ({"reports": [{"task": "5", "generation": 1, "outcome": "failed"}] * 51}, "reports"),
        ({"reports": [{"task": "5", "generation": 1, "outcome": "failed", "result": {"a": "x" * 70_000}}]}, "result"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_native_contract_is_strict_and_then_changes_nothing(
    site: Site, worker: Native, wrong: dict[str, Any], named: str
) -> None:
    submit(site)
    body = {"request_id": "k", "slots": 1, "timeout": 0, "held": [], "reports": []} | wrong
    assert named in assert_refused(worker.call("contract", body), 400)
    assert worker.take()["generation"] == 1


def test_a_plain_contract_costs_three_requests_of_the_table(site: Site, worker: Native) -> None:
    submit(site)
    worker.contract(slots=1)  # the first contact is written
    site.farm.registry.forget()
    counting = CountingTable(site.farm.table)
    for records in (site.farm.workers, site.farm.tasks, site.farm.lanes, site.farm.jobs, site.farm.blobs):
        records._table = counting  # type: ignore[union-attr, assignment]
    assert worker.contract(slots=1)["assignments"] == []
    # CountingTable counts the one `take` as a query and a write too.
    assert counting.requests == {"get": 1, "query": 2, "take": 1, "write": 1}


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
