"""What people ask of jobs and workers, and how soon it happens."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

import requests

from millrace import Farm
from tests.together.ensemble import Ensemble
from tests.together.submissions import outcomes, shell, submit, task, until_status
from tests.worker.processes import appears, gone, number_in, until

AT_ONCE_SECONDS = 15.0
"""It takes one or two, but the machine may be busy. Without a word from the farm it would be 40: the next renewal."""


def busy(tmp_path: Path, name: str = "busy") -> tuple[dict[str, object], Path]:
    """A task that says its process id and then goes on for long, without a word of progress."""
    pid = tmp_path / f"{name}.pid"
    return shell(name, f"echo $$ > {shlex.quote(str(pid))}; exec sleep 120"), pid


def worker_named(farm: Farm, name: str) -> str:
    return next(worker.id for worker in farm.workers() if worker.name == name)


def test_a_cancel_stops_the_running_process_at_once(farm: Farm, tmp_path: Path) -> None:
    one, pid = busy(tmp_path)
    job = submit(farm, one, shell("later", "true", parents=["busy"]))
    process = number_in(pid)
    time.sleep(2.0)  # the worker has settled into its pace
    farm.cancel(job)
    gone(process, AT_ONCE_SECONDS)
    assert farm.wait(job, timeout=30).status == "canceled"
    until(lambda: outcomes(farm, job) == [("busy", ["canceled"]), ("later", [])], "the worker's report", 30)


def test_a_cancel_reaches_a_task_that_tells_progress_too(farm: Farm) -> None:
    job = submit(farm, task("sleeps", "sleep", {"time_in_seconds": 120}, type="sleep"))
    until_status(farm, job, "active")
    time.sleep(2.0)
    farm.cancel(job)
    assert farm.wait(job, timeout=30).status == "canceled"
    until(lambda: outcomes(farm, job) == [("sleeps", ["canceled"])], "the end of the attempt", AT_ONCE_SECONDS)


def test_a_paused_job_finishes_what_runs_and_starts_nothing_until_resumed(farm: Farm, tmp_path: Path) -> None:
    release = tmp_path / "release"
    waits = f"until test -e {shlex.quote(str(release))}; do sleep 0.05; done"
    job = submit(farm, shell("runs", waits), shell("waits", "true", parents=["runs"]))
    until_status(farm, job, "active")
    assert farm.pause(job).status == "paused"
    release.touch()
    until(lambda: outcomes(farm, job)[0] == ("runs", ["completed"]), "the end of the running task", 40)
    other = farm.wait(submit(farm, shell("other", "true")), timeout=40)  # the workers are free, and would take it
    assert other.status == "completed"
    assert (farm.job(job).status, outcomes(farm, job)[1]) == ("paused", ("waits", []))
    farm.resume(job)
    assert farm.wait(job, timeout=40).status == "completed"


def test_a_worker_asleep_takes_nothing_works_once_woken_and_sleeps_again(found: Callable[..., Ensemble]) -> None:
    ensemble = found()
    farm = ensemble.farm
    ensemble.worker("sleeper")
    until(lambda: [worker.status for worker in farm.workers()] == ["awake"], "the worker", 40)
    farm.set_worker_status(worker_named(farm, "sleeper"), "asleep")
    until(lambda: [worker.status for worker in farm.workers()] == ["asleep"], "sleep", 40)
    job = submit(farm, shell("waits", "true"))
    time.sleep(1.0)
    assert outcomes(farm, job) == [("waits", [])]
    farm.set_worker_status(worker_named(farm, "sleeper"), "awake")
    assert farm.wait(job, timeout=40).status == "completed"
    farm.set_worker_status(worker_named(farm, "sleeper"), "asleep")
    until(lambda: [worker.status for worker in farm.workers()] == ["asleep"], "sleep again", 40)


def test_a_worker_hears_at_once_of_a_wish_that_was_there_before_it_asked(quiet: Ensemble) -> None:
    url = quiet.server.url
    himself = {"runtime": [], "worker": {"name": "by hand", "task_types": ["nothing"]}}
    given = requests.post(f"{url}/worker", json=himself, timeout=10).json()
    quiet.farm.set_worker_status(given["id"], "asleep")
    asks = {"request_id": "k1", "repeat": False, "slots": 1, "timeout": 20, "held": [], "reports": []}
    asked_at = time.monotonic()
    answer = requests.post(
        f"{url}/worker/{given['id']}/contract", json=asks, auth=(given["id"], given["secret"]), timeout=40
    )
    assert answer.json()["status_requested"] == "asleep"
    assert time.monotonic() - asked_at < 10


def test_a_worker_asked_to_go_signs_off_and_its_task_goes_to_another(
    found: Callable[..., Ensemble], tmp_path: Path
) -> None:
    ensemble = found()
    farm = ensemble.farm
    leaving = ensemble.worker("leaving")
    first = tmp_path / "first"
    at_first = f"test -e {shlex.quote(str(first))} || {{ touch {shlex.quote(str(first))}; exec sleep 120; }}"
    job = submit(farm, shell("handed over", at_first))
    appears(first)
    ensemble.worker("staying")
    farm.set_worker_status(worker_named(farm, "leaving"), "offline")
    assert leaving.process.wait(40) == 0
    assert farm.wait(job, timeout=40).status == "completed"
    assert outcomes(farm, job) == [("handed over", ["interrupted", "completed"])]
    assert {worker.name: worker.status for worker in farm.workers()} == {"leaving": "offline", "staying": "awake"}


def test_a_terminated_worker_finishes_its_task_and_loses_nothing(
    found: Callable[..., Ensemble], tmp_path: Path
) -> None:
    ensemble = found()
    farm = ensemble.farm
    worker = ensemble.worker("drains")
    release = tmp_path / "release"
    job = submit(farm, shell("short", f"until test -e {shlex.quote(str(release))}; do sleep 0.05; done; echo done"))
    until_status(farm, job, "active")
    next_job = submit(farm, shell("for the next one", "true"))
    worker.process.terminate()
    until(lambda: "no new tasks" in worker.output, "the drain", 40)
    release.touch()
    assert worker.process.wait(40) == 0
    assert farm.wait(job, timeout=30).status == "completed"
    assert outcomes(farm, job) == [("short", ["completed"])]
    [one] = farm.tasks(job)
    assert "done" in farm.log(one).text
    assert outcomes(farm, next_job) == [("for the next one", [])]
    assert [worker.status for worker in farm.workers()] == ["offline"]


def test_a_worker_ended_in_haste_gives_its_task_back(found: Callable[..., Ensemble], tmp_path: Path) -> None:
    ensemble = found()
    farm = ensemble.farm
    worker = ensemble.worker("hurries")
    one, pid = busy(tmp_path)
    job = submit(farm, one)
    process = number_in(pid)
    worker.process.terminate()
    until(lambda: "no new tasks" in worker.output, "the drain", 40)
    assert worker.terminate() == 0
    gone(process, 10)
    assert outcomes(farm, job) == [("busy", ["interrupted"])]
    assert [one.status for one in farm.tasks(job)] == ["queued"]
