"""The native contract (`docs/native-protocol.md`): reports, notices and claims in one call."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.core import jobs, variables, workers
from chalicelib.core.lifecycle import JobStatus, WorkerStatus
from chalicelib.core.variables import Value, Variable
from chalicelib.store.counting import CountingTable
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.native_worker import RECORDED, Native, enlist, lease, recorded_keys, submit
from tests.dialects.pleiades.test_bad_input import assert_refused


@pytest.fixture
def worker(site: Site) -> Native:
    return enlist(site)


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


def test_variables_and_paths_are_those_of_the_workers_platform(site: Site) -> None:
    worker = enlist(site, task_types=["exec"])
    shots = Variable((Value("S:/shots", platforms=("windows",)), Value("/mnt/shots", platforms=("linux",))), "twoway")
    variables.write(site.farm.table, {"shots": shots, "tool": Variable((Value("/opt/tool"),))})
    settings = {"frames": "1", "command": ["{frame}", "S:/shots/a.blend"], "folder": "{shots}/010"}
    jobs.submit(site.farm, jobs.Submission("a job", "frames", settings))
    task = {"name": "t", "task_type": "exec", "commands": [{"name": "exec", "settings": {"cmd": "{tool} --help"}}]}
    jobs.submit(site.farm, jobs.Submission("a job", "commands", {"tasks": [task]}))
    commands = [given["commands"][0]["settings"] for given in worker.contract(slots=2)["assignments"]]
    assert (commands[0]["argv"], commands[0]["folder"]) == (["{frame}", "/mnt/shots/a.blend"], "/mnt/shots/010")
    assert commands[1]["cmd"] == "/opt/tool --help"


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


def test_completions_of_one_call_count_each_by_itself(site: Site, worker: Native) -> None:
    job = submit(site, 4)
    first, second, third, fourth = (worker.take() for _ in range(4))
    late = {**lease(second), "generation": 9, "outcome": "completed"}
    failed = {**lease(fourth), "outcome": "failed", "exit_code": 1, "error": "it broke"}
    good = [{**lease(given), "outcome": "completed", "exit_code": 0} for given in (first, third)]
    verdicts = worker.contract(reports=[good[0], late, good[1], failed])["reports"]
    assert [verdict["accepted"] for verdict in verdicts] == [True, False, True, True]
    assert [verdict["task"] for verdict in verdicts] == [given["task"] for given in (first, second, third, fourth)]
    again = worker.contract(reports=good)["reports"]
    assert [verdict["accepted"] for verdict in again] == [True, True]
    assert jobs.progress(site.farm, job).counts["completed"] == 2


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


def test_a_worker_that_holds_tasks_asks_each_second_so_that_a_stop_reaches_it(site: Site, worker: Native) -> None:
    submit(site)
    held = [lease(worker.take())]
    assert all(0.8 <= worker.contract(held=held)["poll_seconds"] <= 1.2 for _ in range(20))


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
    # The others: the worker with its blocklist, and the lane registry, which is read every two seconds.
    assert counting.requests == {"query": 3, "take": 1, "write": 1}
