"""When a schedule wants a worker to sleep, and when that is asked of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from chalicelib.core import sleep_schedules, workers
from chalicelib.core.lifecycle import WorkerStatus
from chalicelib.core.model import SleepSchedule
from tests.core.conftest import Bench

ASLEEP, AWAKE = WorkerStatus.ASLEEP, WorkerStatus.AWAKE
WEEKDAYS = (0, 1, 2, 3, 4)
MONDAY, SATURDAY, SUNDAY = "2026-01-05", "2026-01-10", "2026-01-11"
OFFICE = SleepSchedule(True, WEEKDAYS, 9 * 60, 18 * 60)
NIGHT = SleepSchedule(True, WEEKDAYS, 22 * 60, 6 * 60)
ALWAYS = SleepSchedule(True)


@pytest.mark.parametrize(
    ("schedule", "day", "time", "wish"),
    [
        (OFFICE, MONDAY, "08:59", AWAKE),
        (OFFICE, MONDAY, "09:00", ASLEEP),
        (OFFICE, MONDAY, "17:59", ASLEEP),
        (OFFICE, MONDAY, "18:00", AWAKE),
        (OFFICE, SATURDAY, "12:00", None),
        (NIGHT, MONDAY, "23:00", ASLEEP),
        (NIGHT, MONDAY, "12:00", AWAKE),
        (NIGHT, MONDAY, "05:00", None),
        (NIGHT, SATURDAY, "05:00", ASLEEP),
        (NIGHT, SUNDAY, "05:00", None),
        (ALWAYS, SUNDAY, "00:00", ASLEEP),
        (ALWAYS, SUNDAY, "23:59", ASLEEP),
        (replace(ALWAYS, active=False), SUNDAY, "12:00", None),
        (SleepSchedule(True, (), 600), MONDAY, "09:59", AWAKE),
        (SleepSchedule(True, (), None, 600), MONDAY, "09:59", ASLEEP),
    ],
)
def test_what_a_schedule_wants(schedule: SleepSchedule, day: str, time: str, wish: WorkerStatus | None) -> None:
    assert sleep_schedules.wanted(schedule, datetime.fromisoformat(f"{day}T{time}")) is wish


def test_a_schedule_asks_once_and_only_for_what_is_not_so(bench: Bench) -> None:
    worker = workers.set_sleep_schedule(bench.farm, bench.worker().id, ALWAYS)
    worker = workers.contact(bench.farm, worker, wants_work=True)
    assert (worker.status_requested, worker.lazy) == (ASLEEP, False)
    asleep = workers.has_become(bench.farm, worker, "asleep")
    assert workers.contact(bench.farm, asleep, wants_work=False).status_requested is None


def test_what_a_person_asked_is_overridden_but_not_that_it_should_go(bench: Bench) -> None:
    worker = workers.set_sleep_schedule(bench.farm, bench.worker().id, ALWAYS)
    workers.has_become(bench.farm, worker, "awake")
    asked = workers.request_status(bench.farm, worker.id, "offline", lazy=True)
    assert workers.contact(bench.farm, asked, wants_work=False).status_requested is WorkerStatus.OFFLINE


def test_a_schedule_is_kept_and_taken_away(bench: Bench) -> None:
    worker = bench.worker()
    workers.set_sleep_schedule(bench.farm, worker.id, OFFICE)
    assert workers.get(bench.farm, worker.id).sleep_schedule == OFFICE
    workers.set_sleep_schedule(bench.farm, worker.id, None)
    assert workers.get(bench.farm, worker.id).sleep_schedule is None
