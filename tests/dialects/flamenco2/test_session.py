"""A worker's normal session, in the order that was measured, and what it holds through all that may come between."""

from __future__ import annotations

import threading

from chalicelib.core import jobs, sweeping
from tests.dialects.flamenco2.conftest import Flamenco, Site, command

FIRST_UPDATE = {
    "activity": "",
    "current_command_idx": 0,
    "task_progress_percentage": 0,
    "command_progress_percentage": 0,
    "metrics": {"timing": {}},
    "task_status": "active",
}
LAST_UPDATE = {
    "activity": "Task completed",
    "current_command_idx": 1,
    "task_progress_percentage": 0,
    "command_progress_percentage": 100,
    "metrics": {"timing": {"total": 20.1}},
    "task_status": "completed",
    "log": "2026-01-05T10:00:00.000001+00:00: echo: Starting\nsecond line",
}


def test_a_normal_session(site: Site) -> None:
    worker = site.worker("sleep", "debug")
    assert worker.post("/task").status_code == 204
    job = site.submit()
    task = worker.take()
    update = f"/tasks/{task['_id']}/update"
    assert worker.post(update, FIRST_UPDATE).status_code == 204
    assert worker.may_run(task) == {"may_keep_running": True}
    assert worker.post(update, {"log": "2026-01-05T10:00:00+00:00: echo: half way"}).status_code == 204
    assert worker.may_run(task) == {"may_keep_running": True}
    answer = worker.post(update, LAST_UPDATE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert worker.post("/task").status_code == 204
    assert worker.post("/sign-off").status_code == 204
    assert jobs.get(site.farm, job.id).status == "completed"
    assert site.task(task["_id"]).result == {"timing": {"total": 20.1}}
    assert site.seen(worker)["status"] == "offline"


def test_a_session_with_stored_credentials(site: Site) -> None:
    worker = site.worker("sleep")
    said = {"supported_task_types": ["sleep", "debug"], "nickname": "renamed"}
    answer = worker.post("/sign-on", said)
    assert (answer.status_code, answer.content) == (204, b"")
    shown = site.seen(worker)
    assert (shown["status"], shown["nickname"]) == ("starting", "renamed")
    assert shown["supported_task_types"] == ["debug", "sleep"]
    assert worker.post("/sign-on", {}).status_code == 204
    assert site.seen(worker)["nickname"] == "renamed"
    worker.ask()
    shown = site.seen(worker)
    assert (shown["status"], shown["software"], shown["address"]) == ("awake", "Flamenco-Worker/2.5", "127.0.0.1")


def test_get_is_as_good_as_post(site: Site) -> None:
    worker = site.worker()
    assert worker.get("/task").status_code == 204
    site.submit()
    assert worker.get("/task").json()["name"] == "nap-1"


def test_a_restarted_worker_gets_its_task_back(site: Site) -> None:
    site.submit(2)
    worker = site.worker()
    task = worker.take()
    worker.post("/sign-on", {"nickname": "node7"})
    assert worker.take()["_id"] == task["_id"]
    assert site.task(task["_id"]).generation == 1


def test_two_workers_never_get_the_same_task(site: Site) -> None:
    site.submit(12)
    crew = [site.worker(nickname=f"n{n}") for n in range(4)]
    given: list[str] = []

    def work(worker: Flamenco) -> None:
        for _ in range(3):
            task = worker.take()
            given.append(task["_id"])
            assert worker.says(task, "completed") == 204

    # Each has a connection of its own: a session is not for several threads.
    threads = [
        threading.Thread(target=work, args=(Flamenco(Site(site.farm, site.url, site.clock), w.id, w.secret),))
        for w in crew
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(given) == len(set(given)) == 12


def test_the_order_is_job_priority_then_own_priority_then_age(site: Site) -> None:
    tasks = [
        {"name": name, "task_type": "sleep", "priority": priority, "commands": [command("echo", message=name)]}
        for name, priority in (("c", 10), ("a", 90), ("b", 90))
    ]
    site.submit_tasks(tasks, priority=40)
    site.submit(1, priority=60)
    worker = site.worker()
    order = []
    while task := worker.ask():
        order.append(task["name"])
        worker.says(task, "completed")
    assert order == ["nap-1", "a", "b", "c"]


def test_a_task_waits_for_its_parents(site: Site) -> None:
    tasks = [
        {"name": "render", "task_type": "sleep", "commands": [command("echo", message="r")]},
        {"name": "join", "task_type": "sleep", "commands": [command("echo", message="j")], "parents": ["render"]},
    ]
    site.submit_tasks(tasks)
    worker = site.worker()
    render = worker.take()
    assert "parents" not in render and site.worker(nickname="other").ask() is None
    worker.says(render, "completed")
    join = worker.take()
    assert (join["name"], join["parents"]) == ("join", [render["_id"]])


def test_what_is_returned_goes_to_the_next_without_counting_as_a_failure(site: Site) -> None:
    job = site.submit()
    one, other = site.worker(nickname="one"), site.worker(nickname="other")
    task = one.take()
    one.give_back(task)
    assert site.statuses(job) == ["queued"] and site.task(task["_id"]).failures == 0
    assert other.take()["_id"] == task["_id"]
    one.give_back(task)  # not its own any more: nothing happens
    assert site.statuses(job) == ["active"]


def test_signing_off_gives_everything_back(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    worker.take()
    assert worker.post("/sign-off").status_code == 204
    assert site.statuses(job) == ["queued"]


def test_a_silent_worker_loses_its_task_when_its_lease_and_the_grace_are_over(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    task = worker.take()
    site.clock.ahead_ms += 200_000
    assert sweeping.sweep(site.farm).expired == 0
    assert worker.may_run(task) == {"may_keep_running": True}  # and that counts anew
    site.clock.ahead_ms += 200_000
    assert sweeping.sweep(site.farm).expired == 0
    assert worker.says(task, activity="still rendering") == 204  # and so does that
    site.clock.ahead_ms += 200_000
    assert sweeping.sweep(site.farm).expired == 0
    site.clock.ahead_ms += 20_000
    assert site.seen(worker)["status"] == "timeout"
    assert sweeping.sweep(site.farm).expired == 1
    assert site.statuses(job) == ["queued"]
    answer = worker.may_run(task)
    assert answer["reason"] == f"task {task['_id']} in non-runnable status claimed-by-manager"


def test_a_canceled_task_is_stopped_and_given_back(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    task = worker.take()
    jobs.cancel(site.farm, job.id)
    reason = f"task {task['_id']} in non-runnable status cancel-requested"
    assert worker.may_run(task) == {"may_keep_running": False, "reason": reason}
    assert worker.says(task, log="aborted") == 204
    assert site.statuses(job) == ["active"]
    worker.give_back(task)
    assert site.statuses(job) == ["canceled"]
    assert "aborted" in site.log(task)


def test_the_status_of_a_task_that_is_to_stop_is_ignored(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    task = worker.take()
    jobs.cancel(site.farm, job.id)
    assert worker.says(task, "completed") == 204
    assert site.statuses(job) == ["active"]
    assert worker.ask() is None  # by asking for another it has stopped
    assert site.statuses(job) == ["canceled"]


def test_a_task_that_is_to_stop_ends_half_a_minute_after_its_worker_heard_of_it(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    task = worker.take()
    jobs.cancel(site.farm, job.id)
    worker.may_run(task)
    site.clock.ahead_ms += 20_000
    worker.may_run(task)
    assert sweeping.sweep(site.farm).expired == 0
    site.clock.ahead_ms += 11_000
    sweeping.sweep(site.farm)
    assert site.statuses(job) == ["canceled"]


def test_signing_off_cancels_what_was_to_stop(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    worker.take()
    jobs.cancel(site.farm, job.id)
    worker.post("/sign-off")
    assert site.statuses(job) == ["canceled"]


def test_a_worker_that_falls_silent_cancels_what_was_to_stop(site: Site) -> None:
    job = site.submit()
    site.worker().take()
    jobs.cancel(site.farm, job.id)
    site.clock.ahead_ms += 1_000_000
    sweeping.sweep(site.farm)
    assert site.statuses(job) == ["canceled"]
