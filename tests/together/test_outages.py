"""Servers and workers that go away in mid-work, with notice and without."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path

import requests

from millrace import Farm
from tests.together.conftest import SHORT
from tests.together.ensemble import Ensemble
from tests.together.submissions import counts_equal_tasks, outcomes, shell, submit
from tests.worker.processes import gone, number_in, until

Found = Callable[..., Ensemble]


def noted(tmp_path: Path, name: str, script: str) -> tuple[dict[str, object], Path]:
    """A task that adds a line to a file when it starts, and then runs the script."""
    note = tmp_path / f"{name}.started"
    return shell(name, f"echo $$ >> {shlex.quote(str(note))}; {script}"), note


def long_at_first(tmp_path: Path) -> tuple[dict[str, object], Path]:
    """A task that hangs in its first run, and does nothing in those that follow."""
    note = shlex.quote(str(tmp_path / "long.started"))
    return noted(tmp_path, "long", f"test $(wc -l < {note}) -gt 1 || exec sleep 120")


def test_running_tasks_go_on_while_the_server_is_restarted(found: Found, tmp_path: Path) -> None:
    ensemble = found()
    ensemble.worker("one")
    go_on = tmp_path / "go on"
    waits, note = noted(tmp_path, "waits", f"until test -e {shlex.quote(str(go_on))}; do sleep 0.05; done; echo done")
    job = submit(ensemble.farm, waits)
    process = number_in(note)
    assert ensemble.server.terminate() == 0
    ensemble.server.start()
    os.kill(process, 0)  # the task never noticed
    go_on.touch()
    farm = ensemble.farm
    assert farm.wait(job, timeout=30).status == "completed"
    assert outcomes(farm, job) == [("waits", ["completed"])]
    [one] = farm.tasks(job)
    until(lambda: "done" in farm.log(one).text, "the log", 30)


def test_work_that_ended_while_the_server_was_down_counts_although_its_lease_ran_out(
    found: Found, tmp_path: Path
) -> None:
    ensemble = found(lease="8", grace="2")
    worker = ensemble.worker("one")
    short, note = noted(tmp_path, "short", "sleep 1")
    job = submit(ensemble.farm, short)
    number_in(note)
    ensemble.server.kill()
    until(lambda: "Task 'short' completed" in worker.output, "the end of the task", 30)
    worker.kill()  # it has kept its report; started again it need not wait for its next try
    time.sleep(10)  # lease and grace are over
    ensemble.server.start()
    worker.start()
    assert ensemble.farm.wait(job, timeout=30).status == "completed"
    assert outcomes(ensemble.farm, job) == [("short", ["completed"])]
    assert len(note.read_text().split()) == 1


def test_a_worker_killed_and_started_again_finishes_the_job(found: Found, tmp_path: Path) -> None:
    """With the same state folder: what it had completed is not run again, what it was at is given back at once."""
    ensemble = found()
    worker = ensemble.worker("one")
    first, first_note = noted(tmp_path, "first", "true")
    long, long_note = long_at_first(tmp_path)
    last, last_note = noted(tmp_path, "last", "true")
    long["parents"], last["parents"] = ["first"], ["long"]
    job = submit(ensemble.farm, first, long, last)
    process = number_in(long_note)
    worker.kill()
    gone(process, 30)  # what a killed agent leaves running is ended, also without a next start
    worker.start()
    assert ensemble.farm.wait(job, timeout=30).status == "completed"
    assert outcomes(ensemble.farm, job) == [
        ("first", ["completed"]),
        ("long", ["interrupted", "completed"]),
        ("last", ["completed"]),
    ]
    assert [len(note.read_text().split()) for note in (first_note, long_note, last_note)] == [1, 2, 1]
    assert len(list(ensemble.farm.workers())) == 1


def test_a_worker_killed_for_good_loses_its_task_to_another_after_the_lease(found: Found, tmp_path: Path) -> None:
    ensemble = found(**SHORT)
    farm = ensemble.farm
    worker = ensemble.worker("dies")
    long, note = long_at_first(tmp_path)
    job = submit(farm, long)
    number_in(note)
    worker.kill()
    killed_at = time.monotonic()
    ensemble.worker("lives")
    assert farm.wait(job, timeout=30).status == "completed"
    assert time.monotonic() - killed_at > 2  # not before the lease was over
    assert outcomes(farm, job) == [("long", ["lost", "completed"])]
    [one] = farm.tasks(job)
    names = {worker.id: worker.name for worker in farm.workers()}
    assert [names[run.worker or ""] for run in one.attempts] == ["dies", "lives"]
    # A sweep ends leases first.
    statuses = {"dies": "lost", "lives": "awake"}
    until(lambda: {worker.name: worker.status for worker in farm.workers()} == statuses, "a worker that is lost", 30)
    assert counts_equal_tasks(farm, farm.job(job))


def test_a_worker_that_stood_still_past_its_lease_does_not_disturb_its_successor(found: Found, tmp_path: Path) -> None:
    """Suspended, as a laptop is: its task is given to another; awake again, it ends its own run and reports nothing."""
    ensemble = found(**SHORT)
    farm = ensemble.farm
    worker = ensemble.worker("suspended")
    long, note = long_at_first(tmp_path)
    job = submit(farm, long)
    process = number_in(note)
    os.kill(worker.process.pid, signal.SIGSTOP)
    gone(process, 20)  # its guard ends the task before the lease does
    ensemble.worker("other")
    assert farm.wait(job, timeout=30).status == "completed"
    os.kill(worker.process.pid, signal.SIGCONT)
    after = submit(farm, shell("after", "true"))
    assert farm.wait(after, timeout=30).status == "completed"
    assert outcomes(farm, job) == [("long", ["lost", "completed"])]
    assert len(note.read_text().split()) == 2


def test_what_was_acknowledged_is_there_after_a_kill(found: Found, tmp_path: Path) -> None:
    ensemble = found()
    content = tmp_path / "content"
    content.write_bytes(os.urandom(300_000))
    blob = ensemble.farm.upload(content)
    jobs = [submit(ensemble.farm, shell("waits", "true"), name=f"job {n}") for n in range(5)]
    ensemble.server.kill()
    ensemble.server.start()
    farm: Farm = ensemble.farm
    assert {job.id for job in farm.jobs()} == {job.id for job in jobs}
    kept = requests.get(f"{farm.url}/api/v1/blobs/{blob}/content", timeout=10)
    assert kept.content == content.read_bytes()
    ensemble.worker("one")
    assert [farm.wait(job, timeout=30).status for job in jobs] == ["completed"] * 5


def test_a_submission_repeated_over_a_kill_makes_one_job(found: Found) -> None:
    ensemble = found()
    first = submit(ensemble.farm, shell("once", "true"), idempotency_key="the same")
    ensemble.server.kill()
    ensemble.server.start()
    assert submit(ensemble.farm, shell("once", "true"), idempotency_key="the same").id == first.id
    assert len(list(ensemble.farm.jobs())) == 1


def test_a_second_server_on_the_folder_takes_over_from_one_that_was_killed(found: Found, tmp_path: Path) -> None:
    """Also what only one of them does: ending the leases of a worker that is gone."""
    ensemble = found(**SHORT)
    second = ensemble.another_server()
    farm = Farm(second.url)
    long, note = long_at_first(tmp_path)
    job = submit(farm, long)
    worker = ensemble.worker("dies")
    number_in(note)
    worker.kill()
    ensemble.server.kill()
    ensemble.server = second
    ensemble.worker("lives")
    assert farm.wait(job, timeout=40).status == "completed"
    assert outcomes(farm, job) == [("long", ["lost", "completed"])]
