"""When a worker is to sleep. It is asked to with its next call inside the hours, and to wake outside them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..core import workers
from ..core.access import Scope
from ..core.farm import Farm
from ..core.ids import parse_id
from ..core.model import SleepSchedule
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer
from .operations import Operation
from .reading import read_body
from .wanted import Wanted

Day = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
DAYS: tuple[Day, ...] = ("mo", "tu", "we", "th", "fr", "sa", "su")
TimeOfDay = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]


class SleepScheduleWanted(Wanted):
    """Times are the manager's local ones. An `end` before the `start` is on the next day."""

    active: bool
    days: Annotated[list[Day], Field(max_length=7, description="None means all.")] = []
    start: Annotated[TimeOfDay | None, Field(description="null: from midnight on.")] = None
    end: Annotated[TimeOfDay | None, Field(description="null: until midnight.")] = None


class SleepScheduleShown(Answer):
    active: bool
    days: list[Day]
    start: str | None
    end: str | None


def show(farm: Farm, request: Request, worker_id: str) -> Reply:
    """A worker's sleep schedule."""
    return _answer(workers.get(farm, parse_id(worker_id, "worker")).sleep_schedule)


def replace(farm: Farm, request: Request, worker_id: str) -> Reply:
    """Set a worker's sleep schedule.

    Inside the hours it is asked to sleep, outside them, on the days given, to be awake; what was asked before is
    forgotten, but for a request to go. On other days nothing is asked.
    """
    number, wanted = parse_id(worker_id, "worker"), read_body(request, SleepScheduleWanted)
    days = tuple(sorted({DAYS.index(day) for day in wanted.days}))
    schedule = SleepSchedule(wanted.active, days, _minute(wanted.start), _minute(wanted.end))
    return _answer(workers.set_sleep_schedule(farm, number, schedule).sleep_schedule)


def _answer(schedule: SleepSchedule | None) -> Reply:
    shown = schedule or SleepSchedule(active=False)
    return answer(
        SleepScheduleShown(
            active=shown.active,
            days=[DAYS[day] for day in shown.days],
            start=_text(shown.start_minute),
            end=_text(shown.end_minute),
        )
    )


def _minute(text: str | None) -> int | None:
    return None if text is None else int(text[:2]) * 60 + int(text[3:])


def _text(minute: int | None) -> str | None:
    return None if minute is None else f"{minute // 60:02d}:{minute % 60:02d}"


OPERATIONS = (
    Operation("GET", "/workers/{id}/sleep-schedule", show, Scope.SUBMIT, answer=SleepScheduleShown),
    Operation(
        "PUT",
        "/workers/{id}/sleep-schedule",
        replace,
        Scope.OPERATE,
        answer=SleepScheduleShown,
        body=SleepScheduleWanted,
    ),
)
