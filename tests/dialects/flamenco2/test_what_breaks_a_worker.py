"""The ten things that break a real worker (protocols/flamenco2.md section 0), each with a test that says its name."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from chalicelib.config import Settings
from chalicelib.core import errors, jobs, sweeping, workers
from chalicelib.core.ports import TableUnavailable
from chalicelib.dialects.flamenco2 import replies, routes
from chalicelib.edge import current, hexids
from tests.dialects.flamenco2.conftest import SECRET, Flamenco, Site
from tests.dialects.flamenco2.test_registration import NODE, SHARED, refused, token

THROWN_AWAY = {204, 404, 409}
"""What ends an update's life in the worker's queue. Anything else blocks it."""
KNOWN_KEYS = {"may_keep_running", "reason", "status_requested"}


@pytest.fixture
def worker(site: Site) -> Flamenco:
    return site.worker()


def wire_request(site: Site, worker: Flamenco, method: str, path: str) -> str:
    """As the real worker writes it when it has nothing to say: no content type, a length of 0."""
    address = urlsplit(site.url)
    made = requests.Request(method, site.url + path, auth=(worker.id, worker.secret)).prepare()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {address.netloc}",
        "User-Agent: Flamenco-Worker/2.5",
        f"Authorization: {made.headers['Authorization']}",
        "Connection: close",
    ]
    lines += ["Content-Length: 0"] if method == "POST" else []
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=3) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        return b"".join(iter(lambda: line.recv(65536), b"")).decode()


def test_1_a_task_is_fetched_by_post_as_workers_do_and_by_get_as_the_document_says(
    site: Site, worker: Flamenco
) -> None:
    assert wire_request(site, worker, "POST", "/task").startswith("HTTP/1.1 204 ")
    site.submit()
    by_post, by_get = (wire_request(site, worker, method, "/task") for method in ("POST", "GET"))
    assert by_post.startswith("HTTP/1.1 200 ") and '"name":"nap-1"' in by_post
    assert by_get.startswith("HTTP/1.1 200 ") and '"name":"nap-1"' in by_get, "it is the worker's, so it gets it again"


def test_2_a_task_is_returned_without_a_word_and_somebody_else_gets_it(site: Site, worker: Flamenco) -> None:
    site.submit()
    task = worker.take()
    answer = wire_request(site, worker, "POST", f"/tasks/{task['_id']}/return")
    assert answer.startswith("HTTP/1.1 204 ") and answer.endswith("\r\n\r\n")
    assert site.worker(nickname="other").take()["_id"] == task["_id"]


def test_3_every_call_is_at_the_root_of_the_host_whatever_the_managers_url_says(site: Site) -> None:
    """A worker whose manager is at http://h/farm/ calls http://h/task."""
    manager_url = site.url + "/farm/"
    registered = requests.post(urljoin(manager_url, "/register-worker"), json=NODE, timeout=3)
    who = (registered.json()["_id"], SECRET)
    assert requests.post(urljoin(manager_url, "/task"), auth=who, timeout=3).status_code == 204
    assert all(route.path.startswith("/") and route.path.split("/")[1] != "api" for route in routes.ROUTES)


def test_4_no_call_of_a_worker_waits_for_anything(
    site: Site, worker: Flamenco, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs up after three seconds, and so does every call in these tests."""

    def nobody_may_wait(*topics: object) -> object:
        raise AssertionError("a worker of this protocol cannot wait")

    monkeypatch.setattr(site.farm.bell, "waiter", nobody_may_wait)
    assert worker.post("/task").status_code == 204
    assert worker.get("/status-change").status_code == 204
    site.submit()
    task = worker.take()
    assert worker.may_run(task) == {"may_keep_running": True}
    assert worker.says(task, "completed", log="a line\n" * 100_000) == 204
    for path in ("/sign-on", "/sign-off", "/ack-status-change/awake"):
        assert worker.post(path, {}).status_code == 204


def test_4_registering_with_a_weak_secret_is_fast_enough_too(site: Site) -> None:
    """Stretching a secret takes its time, at each of the first calls."""
    crew: list[Flamenco] = []

    def register(number: int) -> None:
        one = Site(site.farm, site.url, site.clock).worker(nickname=f"n{number}", secret=f"weak {number}")
        assert one.post("/task").status_code == 204
        crew.append(one)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(crew) == 4


def unknown(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    return "65f1c0de00000000000000b2"


def malformed(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    return "nonsense"


def given_to_another(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    worker.give_back(task)
    assert site.worker(nickname="other").take()["_id"] == task["_id"]
    return str(task["_id"])


def returned(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    worker.give_back(task)
    return str(task["_id"])


def ended(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    worker.says(task, "completed")
    return str(task["_id"])


def to_be_stopped(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    jobs.cancel(site.farm, site.task(task["_id"]).job)
    return str(task["_id"])


def lost(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    site.clock.ahead_ms += 1_000_000
    sweeping.sweep(site.farm)
    return str(task["_id"])


def never_begun(site: Site, worker: Flamenco, task: dict[str, Any]) -> str:
    return hexids.hex_of(site.submit().first_task)


Situation = Callable[[Site, Flamenco, dict[str, Any]], str]
SITUATIONS = [unknown, malformed, given_to_another, returned, ended, to_be_stopped, lost, never_begun]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_5_no_update_blocks_the_queue_behind_it(site: Site, worker: Flamenco, situation: Situation) -> None:
    site.submit()
    task = {"_id": situation(site, worker, worker.take())}
    for status in (None, "active", "completed", "failed", "canceled", "unheard of"):
        assert worker.says(task, status, activity="late", log="late") in THROWN_AWAY
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"log": 7}'):
        assert worker.post(f"/tasks/{task['_id']}/update", data=body).status_code in THROWN_AWAY


def test_5_whatever_the_core_refuses_of_an_update_is_thrown_away_but_what_may_be_better_later() -> None:
    request: Any = None
    for kind in {kind for kind in vars(errors).values() if isinstance(kind, type)} - {errors.FarmError, errors.Refusal}:
        if issubclass(kind, errors.FarmError):
            status = replies.on_update_error(request, kind("no")).status
            again = issubclass(kind, errors.Unavailable | errors.Forbidden)
            assert (status in THROWN_AWAY) != again, kind
    assert replies.on_update_error(request, TableUnavailable("busy")).status == 503


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
@pytest.mark.parametrize("wanted", [None, "asleep", "shutdown"])
def test_6_may_i_run_answers_only_what_the_worker_knows(
    site: Site, worker: Flamenco, situation: Situation, wanted: str | None
) -> None:
    site.submit()
    path = f"/may-i-run/{situation(site, worker, worker.take())}"
    if wanted is not None:
        worker.asked_to_become(wanted)
    answer = worker.get(path)
    said = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert said.keys() <= KNOWN_KEYS and isinstance(said["may_keep_running"], bool)
    assert isinstance(said.get("reason", ""), str) and said.get("status_requested") == wanted
    assert said["may_keep_running"] is False


def test_6_may_i_run_says_so_also_when_the_farm_is_in_trouble(
    site: Site, worker: Flamenco, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.submit()
    task = worker.take()
    for trouble in (TableUnavailable("busy"), errors.Unavailable("stopping"), ZeroDivisionError()):

        def fail(*args: object, error: Exception = trouble) -> None:
            raise error

        monkeypatch.setattr(site.farm.tasks, "get", fail)
        assert worker.may_run(task) == {"may_keep_running": True}


def test_6_the_first_reason_that_holds_is_given(site: Site, worker: Flamenco) -> None:
    site.submit(2)
    task = worker.take()
    worker.asked_to_become("shutdown")
    assert worker.may_run(task)["reason"] == "worker status change to shutdown requested"
    jobs.cancel(site.farm, site.task(task["_id"]).job)
    assert worker.may_run(task)["reason"] == f"task {task['_id']} in non-runnable status cancel-requested"
    site.submit()
    other = site.worker(nickname="other")
    of_the_other = other.take()
    assert worker.may_run(of_the_other)["reason"] == f"task {of_the_other['_id']} reassigned to another worker"
    assert worker.may_run({"_id": "f" * 24})["reason"] == f"unable to find task {'f' * 24}"


@pytest.mark.parametrize("wanted", ["asleep", "awake", "shutdown"])
@pytest.mark.parametrize("lazy", ["true", "false"])
def test_7_locked_says_what_is_requested_and_nothing_else(site: Site, worker: Flamenco, wanted: str, lazy: str) -> None:
    site.submit()
    worker.asked_to_become(wanted, lazy)
    answer = worker.post("/task")
    assert (answer.status_code, json.loads(answer.content)) == (423, {"status_requested": wanted})
    assert answer.headers["Content-Type"] == "application/json"


def test_8_registration_needs_no_credentials_and_a_worker_that_is_not_known_registers_anew(site: Site) -> None:
    forgotten = site.worker()
    site.post(f"/worker-action/{forgotten.id}", data={"action": "forget-worker"})
    assert refused(forgotten.post("/sign-on", {"nickname": "node7"}))
    again = site.post("/register-worker", NODE)  # without a word about who it was
    worker = Flamenco(site, again.json()["_id"], SECRET)
    assert (again.status_code, worker.post("/task").status_code) == (200, 204)


@pytest.mark.parametrize("exact", [False, True], ids=["fractions", "whole seconds"])
def test_9_the_times_of_a_registration_token_may_be_fractions(site: Site, settings: Settings, exact: bool) -> None:
    current.serve(site.farm, replace(settings, flamenco_registration_secret=SHARED))
    now = time.time()
    times = {"exp": int(now) + 900, "iat": int(now)} if exact else {"exp": now + 899.123456, "iat": now - 0.654321}
    answer = site.post("/register-worker", NODE, headers={"Authorization": f"Bearer {token(**times)}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("others", [0, 1, 2])
def test_10_a_failure_is_final_at_once_unless_another_worker_may_try(site: Site, worker: Flamenco, others: int) -> None:
    job = site.submit(max_retries=10)
    crew = [site.worker(nickname=f"n{number}") for number in range(others)]
    site.worker("debug", nickname="cannot")
    for one in (worker, *crew):
        assert site.statuses(job) == ["queued"]
        one.fail(one.take())
    assert site.statuses(job) == ["failed"]


def test_10_also_our_own_workers_and_those_that_are_off_may_try(site: Site, worker: Flamenco) -> None:
    job = site.submit()
    off, _ = workers.register(site.farm, workers.Description("off", task_types=("sleep",)), with_secret=True)
    workers.sign_off(site.farm, off)
    worker.fail(worker.take())
    assert site.statuses(job) == ["queued"]
