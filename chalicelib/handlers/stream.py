"""Changed items: DynamoDB's stream on AWS, the change log on one machine. Only keys are read from the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..core import events
from ..core.farm import Farm


def changed(farm: Farm, keys: Iterable[tuple[str, str]]) -> None:
    """Items with these keys (pk, sk) have changed in status."""
    task_ids = [int(sk) for pk, sk in keys if pk.startswith("TASKS#")]
    if task_ids:
        events.tasks_changed(farm, task_ids)


def topics(pk: str, sk: str, ready_pk: str | None) -> Iterator[tuple[str, int | None]]:
    """(topic, how many to wake) for one change: one waiter for a task that became runnable, all for a job."""
    if ready_pk is not None:
        yield ready_pk, 1
    if pk.startswith("JOB#") and sk == "JOB":
        yield f"job/{pk.removeprefix('JOB#')}", None
