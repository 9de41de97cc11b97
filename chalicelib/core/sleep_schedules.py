"""When workers sleep: pure decisions over a schedule and a moment. `workers.contact` asks with every call of a worker,
so a schedule needs no timer: whoever does not call cannot be told either."""

from __future__ import annotations

from datetime import datetime, timedelta

from .lifecycle import WorkerStatus
from .model import SleepSchedule, Worker

DAY_MINUTES = 24 * 60


def wanted(schedule: SleepSchedule, at: datetime) -> WorkerStatus | None:
    """Asleep inside the hours, awake outside them; None: at this moment the schedule has no wish."""
    if not schedule.active:
        return None
    start = schedule.start_minute or 0
    end = DAY_MINUTES if schedule.end_minute is None else schedule.end_minute
    minute, today = at.hour * 60 + at.minute, at.weekday()
    if start > end and minute < end:  # the hours that began yesterday
        return WorkerStatus.ASLEEP if _is_a_day(schedule, today - 1) else None
    if not _is_a_day(schedule, today):
        return None
    inside = start <= minute and (minute < end or start > end)
    return WorkerStatus.ASLEEP if inside else WorkerStatus.AWAKE


def wakes_at(schedule: SleepSchedule, at: datetime) -> datetime | None:
    """When the schedule next wishes the worker awake, if it wishes it asleep now. None: it does not, or never will."""
    if wanted(schedule, at) is not WorkerStatus.ASLEEP:
        return None
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    # A wish changes at midnight and at both ends of the hours, and repeats after a week.
    turns = sorted({0, schedule.start_minute or 0, (schedule.end_minute or 0) % DAY_MINUTES})
    moments = (midnight + timedelta(days=day, minutes=minute) for day in range(9) for minute in turns)
    return next((moment for moment in moments if moment > at and wanted(schedule, moment) is WorkerStatus.AWAKE), None)


def request(worker: Worker, now: int) -> WorkerStatus | None:
    """What is to be asked of this worker now, in place of what is asked already. None: nothing new.

    A worker that was asked to go is left in peace: it would never go.
    """
    if worker.sleep_schedule is None or worker.status_requested is WorkerStatus.OFFLINE:
        return None
    wish = wanted(worker.sleep_schedule, datetime.fromtimestamp(now / 1000).astimezone())
    is_so = worker.status is wish or (wish is WorkerStatus.AWAKE and worker.status is WorkerStatus.STARTING)
    return None if is_so or wish is worker.status_requested else wish


def _is_a_day(schedule: SleepSchedule, weekday: int) -> bool:
    return not schedule.days or weekday % 7 in schedule.days
