"""What workers are asked to become, what they say they are, and when a schedule asks."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.dialects.flamenco2.conftest import Site


def test_a_worker_is_asked_to_sleep_and_to_wake(site: Site) -> None:
    site.submit()
    worker = site.worker()
    worker.asked_to_become("asleep")
    answer = worker.post("/task")
    assert (answer.status_code, answer.content) == (423, b'{"status_requested":"asleep"}')
    assert answer.headers["Content-Type"] == "application/json"
    assert worker.get("/status-change").json() == {"status_requested": "asleep"}
    answer = worker.post("/ack-status-change/asleep")
    assert (answer.status_code, answer.content) == (204, b"")
    answer = worker.get("/status-change")
    assert (answer.status_code, answer.content) == (204, b"")
    assert site.seen(worker)["status"] == "asleep"
    worker.asked_to_become("awake")
    assert worker.get("/status-change").json() == {"status_requested": "awake"}
    assert worker.post("/ack-status-change/awake").status_code == 204
    assert worker.take()["name"] == "nap-1"


def test_a_running_task_is_stopped_for_an_immediate_request_only(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.asked_to_become("asleep", lazy="true")
    assert worker.may_run(task) == {"may_keep_running": True, "status_requested": "asleep"}
    worker.asked_to_become("asleep")
    assert worker.may_run(task) == {
        "may_keep_running": False,
        "reason": "worker status change to asleep requested",
        "status_requested": "asleep",
    }


def test_a_lazy_request_comes_with_the_next_task(site: Site) -> None:
    site.submit(2)
    worker = site.worker()
    task = worker.take()
    worker.asked_to_become("shutdown", lazy="true")
    worker.says(task, "completed")
    answer = worker.post("/task")
    assert (answer.status_code, answer.json()) == (423, {"status_requested": "shutdown"})


def test_being_asked_to_wake_stops_no_task(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.post("/ack-status-change/asleep")
    worker.asked_to_become("awake")
    assert worker.may_run(task) == {"may_keep_running": True, "status_requested": "awake"}


def test_a_shutdown_is_answered_by_signing_off(site: Site) -> None:
    worker = site.worker()
    worker.ask()
    worker.asked_to_become("shutdown")
    assert worker.post("/ack-status-change/shutdown").status_code == 204
    assert site.seen(worker)["status_requested"] == "shutdown"
    worker.post("/sign-off")
    shown = site.seen(worker)
    assert (shown["status"], shown["status_requested"]) == ("offline", "")
    worker.post("/sign-on", {})
    assert worker.post("/task").status_code == 204


def test_one_that_was_asleep_sleeps_again_after_its_next_start(site: Site) -> None:
    worker = site.worker()
    worker.post("/ack-status-change/asleep")
    worker.asked_to_become("shutdown")
    worker.post("/sign-off")
    worker.post("/sign-on", {"nickname": "node7"})
    assert worker.post("/task").json() == {"status_requested": "asleep"}


def test_one_that_was_to_wake_does_not_sleep_again(site: Site) -> None:
    worker = site.worker()
    worker.post("/ack-status-change/asleep")
    worker.asked_to_become("awake")
    worker.post("/sign-off")
    worker.post("/sign-on", {})
    assert worker.post("/task").status_code == 204


def test_a_wish_survives_a_restart(site: Site) -> None:
    worker = site.worker()
    worker.asked_to_become("asleep")
    worker.post("/sign-on", {})
    assert worker.post("/task").json() == {"status_requested": "asleep"}


def test_any_word_is_acknowledged(site: Site) -> None:
    worker = site.worker()
    for word in ("testing", "error", "asleep", "awake", "offline", "timeout", "tired", "%20", "x" * 300):
        worker.asked_to_become("asleep" if word != "asleep" else "awake")
        assert worker.post(f"/ack-status-change/{word}").status_code == 204
        assert site.seen(worker)["status_requested"] == ""


def test_one_that_signed_off_may_still_acknowledge(site: Site) -> None:
    worker = site.worker()
    worker.post("/sign-off")
    assert worker.post("/ack-status-change/asleep").status_code == 204
    assert site.seen(worker)["status"] == "asleep"


def test_only_asking_for_a_task_or_to_go_on_wakes(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.post("/ack-status-change/asleep")
    worker.says(task, activity="late news")
    worker.get("/status-change")
    assert site.seen(worker)["status"] == "asleep"
    worker.may_run(task)
    assert site.seen(worker)["status"] == "awake"


def hours(start: datetime, end: datetime) -> dict[str, object]:
    return {"schedule_active": True, "time_start": f"{start:%H:%M}", "time_end": f"{end:%H:%M}"}


def test_a_sleep_schedule_asks_when_the_worker_calls(site: Site) -> None:
    worker = site.worker()
    worker.ask()
    now, hour = datetime.now(), timedelta(hours=1)
    set_it = f"/set-sleep-schedule/{worker.id}"
    assert site.post(set_it, hours(now - hour, now + hour)).status_code == 204
    assert worker.get("/status-change").json() == {"status_requested": "asleep"}
    worker.post("/ack-status-change/asleep")
    assert worker.get("/status-change").status_code == 204
    assert site.post(set_it, hours(now + hour, now + 2 * hour)).status_code == 204
    assert worker.get("/status-change").json() == {"status_requested": "awake"}
    assert site.seen(worker)["sleep_schedule"] == hours(now + hour, now + 2 * hour)
    assert site.post(set_it, {"schedule_active": False}).status_code == 204
    assert site.seen(worker)["sleep_schedule"] == {"schedule_active": False}


def test_a_schedule_stops_a_running_task(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    now, hour = datetime.now(), timedelta(hours=1)
    site.post(f"/set-sleep-schedule/{worker.id}", hours(now - hour, now + hour))
    assert worker.may_run(task)["may_keep_running"] is False
