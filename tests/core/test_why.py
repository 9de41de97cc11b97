"""What people are told who ask why something waits, or why somebody idles."""

from __future__ import annotations

from datetime import datetime

import pytest

from chalicelib.core import jobs, why_idle, why_waiting, workers
from chalicelib.core.lifecycle import JobStatus
from chalicelib.core.model import Job, SleepSchedule, Worker
from chalicelib.core.reasons import Code
from chalicelib.core.sleep_schedules import wakes_at
from tests.core.conftest import Bench


def of(bench: Bench, job: Job, index: int = 0) -> tuple[Code, str]:
    """The nearest reason of one task."""
    reason = why_waiting.of_task(bench.farm, bench.tasks(job)[index])[0]
    return reason.code, reason.text


def idle(bench: Bench, worker: Worker) -> tuple[Code, str]:
    reason = why_idle.of_worker(bench.farm, workers.get(bench.farm, worker.id))[0]
    return reason.code, reason.text


def test_a_farm_without_workers(bench: Bench) -> None:
    assert of(bench, bench.submit()) == (Code.GONE, "no worker is registered with this farm")


def test_nobody_runs_this_type(bench: Bench) -> None:
    bench.worker("a", "render")
    assert of(bench, bench.submit()) == (Code.OTHER_TYPE, "no worker runs tasks of type 'sleep'")


def test_nobody_has_the_tag(bench: Bench) -> None:
    job = bench.submit(tags=("gpu",))
    worker = bench.worker("a")
    assert of(bench, job) == (Code.LACKS_TAG, "without a tag that it requires: a (gpu)")
    assert idle(bench, worker) == (Code.LACKS_TAG, "1 queued of type 'sleep' require a tag that it lacks: gpu")


def test_somebody_has_a_tag_that_is_forbidden(bench: Bench) -> None:
    job = bench.submit(tags=("-slow",))
    worker = bench.worker("a", tags=("slow",))
    assert of(bench, job) == (Code.HAS_FORBIDDEN_TAG, "with a tag that it forbids: a (slow)")
    assert idle(bench, worker)[0] is Code.HAS_FORBIDDEN_TAG


def test_the_only_worker_is_busy_and_others_go_first(bench: Bench) -> None:
    bench.submit()
    bench.take(bench.worker("a"))
    bench.submit({"count": 2}, priority=90)
    job = bench.submit()
    first, second = why_waiting.of_task(bench.farm, bench.tasks(job)[0])
    assert (first.code, first.text) == (
        Code.OTHERS_FIRST,
        "2 tasks of higher priority, or older ones, go first",
    )
    assert (second.code, second.text) == (Code.BUSY, "busy with other tasks: a")


def test_a_worker_is_free(bench: Bench) -> None:
    job, worker = bench.submit(), bench.worker("a")
    assert of(bench, job) == (Code.NEXT_CALL, "free, and take it with their next call: a")
    assert idle(bench, worker) == (Code.NEXT_CALL, "1 queued of type 'sleep': it gets one with its next call")


def test_it_failed_on_the_worker_before(bench: Bench) -> None:
    job, bad = bench.submit(), bench.worker("bad")
    bench.worker("good")
    bench.fail(bench.take(bad))
    reasons = why_waiting.of_task(bench.farm, bench.tasks(job)[0])
    assert [reason.code for reason in reasons] == [Code.NEXT_CALL, Code.FAILED_HERE]
    assert idle(bench, bad)[0] is Code.FAILED_HERE


def test_the_worker_is_blocked_for_the_job(bench: Bench) -> None:
    job, bad = bench.submit({"count": 5}), bench.worker("bad")
    bench.worker("good")
    for assignment in bench.claim(bad, slots=3):
        bench.fail(assignment)
    untouched = next(task for task in bench.tasks(job) if not task.excluded)
    reasons = why_waiting.of_task(bench.farm, untouched)
    assert [reason.code for reason in reasons] == [Code.OTHERS_FIRST, Code.NEXT_CALL, Code.BLOCKED]
    code, text = idle(bench, bad)
    assert code is Code.BLOCKED and str(job.id) in text


def test_silent_and_signed_off_workers_are_out_of_contact(bench: Bench) -> None:
    job = bench.submit()
    silent, gone = bench.worker("silent"), bench.worker("gone")
    workers.sign_off(bench.farm, gone)
    bench.clock.advance(200_000)
    assert of(bench, job) == (Code.GONE, "out of contact: silent (lost) and gone (offline)")
    assert idle(bench, silent) == (Code.GONE, "it has not called for 200 s")
    assert idle(bench, gone) == (Code.GONE, "it signed off")


def test_asleep_on_request(bench: Bench) -> None:
    job, worker = bench.submit(), bench.worker("a")
    workers.request_status(bench.farm, worker.id, "asleep", lazy=False)
    assert of(bench, job) == (Code.ASLEEP, "asleep: a (asked to be asleep)")
    workers.has_become(bench.farm, workers.get(bench.farm, worker.id), "asleep")
    assert of(bench, job) == (Code.ASLEEP, "asleep: a (asleep until somebody wakes it)")
    assert idle(bench, worker) == (Code.ASLEEP, "asleep until somebody wakes it")


@pytest.mark.parametrize(
    ("days", "start", "end", "at", "awake_at"),
    [
        ((), 8 * 60, 18 * 60, "2026-01-05 12:00", "2026-01-05 18:00"),
        ((), 22 * 60, 6 * 60, "2026-01-05 23:00", "2026-01-06 06:00"),
        ((0, 1), None, None, "2026-01-05 12:00", None),
        ((0,), 8 * 60, None, "2026-01-05 12:00", "2026-01-12 00:00"),
        ((), 8 * 60, 18 * 60, "2026-01-05 19:00", None),
        ((), None, None, "2026-01-05 19:00", None),
    ],
)
def test_when_a_schedule_wakes(
    days: tuple[int, ...], start: int | None, end: int | None, at: str, awake_at: str | None
) -> None:
    """5 January 2026 is a Monday. On days that are not the schedule's it has no wish, and wakes nobody."""
    woken = wakes_at(SleepSchedule(True, days, start, end), datetime.fromisoformat(at))
    assert woken == (datetime.fromisoformat(awake_at) if awake_at else None)


def test_a_paused_job(bench: Bench) -> None:
    job, worker = bench.submit(), bench.worker("a")
    jobs.pause(bench.farm, job.id)
    assert of(bench, job)[0] is Code.JOB_PAUSED
    assert [reason.code for reason in why_idle.of_worker(bench.farm, worker)] == [Code.NOTHING_QUEUED, Code.JOB_PAUSED]


def test_a_task_waits_for_its_parents(bench: Bench) -> None:
    job = bench.submit({"count": 3, "parents": {2: [0, 1]}})
    bench.take(bench.worker())
    assert of(bench, job, 2) == (Code.WAITS_FOR_TASKS, "waits for 2 tasks: 0/0 (active) and 0/1 (queued)")


def test_a_step_waits_for_the_one_before(bench: Bench) -> None:
    job = bench.submit({"count": 3}, {"count": 1, "after": [0]})
    reasons = why_waiting.of_job(bench.farm, bench.job(job))
    assert [(r.code, r.text) for r in reasons[1:]] == [
        (Code.WAITS_FOR_STEP, "step 'rung 1' waits for step 'rung 0', of which 3 tasks are left")
    ]
    assert reasons[0].code is Code.GONE


def test_what_runs_or_has_ended_does_not_wait(bench: Bench) -> None:
    job, worker = bench.submit(), bench.worker()
    assignment = bench.take(worker)
    assert of(bench, job) == (Code.NOT_WAITING, "the task is active")
    assert idle(bench, worker) == (Code.NOT_WAITING, "it runs 1 task in 1 slot")
    assert why_waiting.of_job(bench.farm, bench.job(job))[0].code is Code.NOT_WAITING
    bench.report(assignment)
    assert bench.job(job).status is JobStatus.COMPLETED
    assert why_waiting.of_job(bench.farm, bench.job(job))[0].text == "the job is completed"
    assert idle(bench, worker) == (Code.NOTHING_QUEUED, "nothing is queued for its task types (sleep)")
