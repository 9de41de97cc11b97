"""Changed items: DynamoDB's stream on AWS, the change log on one machine.

Of a record only its key counts, and whether the status changed (renewals, nine records of ten, did not change it); the
item is read as it is now. So records may come twice, late and out of order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core import events, trace
from ..core.farm import Farm
from .failures import Failed, failed

log = logging.getLogger(__name__)

Record = Mapping[str, Any]


def table_changed(farm: Farm, records: Sequence[Record]) -> Failed:
    """Records of DynamoDB's stream. All of them at once, since tasks of one window share their reads; if that fails,
    one after the other up to the first that fails: Lambda comes again from there, and after some attempts puts that
    record aside."""
    wanted = [record for record in records if _has_new_status(record)]
    try:
        changed(farm, map(_key, wanted))
    except Exception:
        log.exception("A batch of changes failed; trying one by one", extra={"action": "stream_batch_failed"})
    else:
        return failed([])
    for record in wanted:
        number = record["dynamodb"]["SequenceNumber"]
        try:
            changed(farm, [_key(record)])
        except Exception:
            log.exception("Change %s failed", number, extra={"action": "stream_record_failed", "record": number})
            return failed([number])
    return failed([])


def changed(farm: Farm, keys: Iterable[tuple[str, str]]) -> None:
    """Items with these keys (pk, sk) have changed in status."""
    task_ids = [int(sk) for pk, sk in keys if pk.startswith("TASKS#")]
    if task_ids:
        trace.tasks_changed(task_ids)
        events.tasks_changed(farm, task_ids)


def topics(pk: str, sk: str, ready_pk: str | None) -> Iterator[tuple[str, int | None]]:
    """(topic, how many to wake) for one change: one waiter for a task that became runnable, all for a large step's
    cursor and for a job."""
    if ready_pk is not None:
        yield ready_pk, 1 if pk.startswith("TASKS#") else None
    if pk.startswith("JOB#") and sk == "JOB":
        yield f"job/{pk.removeprefix('JOB#')}", None


def _has_new_status(record: Record) -> bool:
    before, after = (record["dynamodb"].get(image, {}).get("status") for image in ("OldImage", "NewImage"))
    return after is not None and after != before


def _key(record: Record) -> tuple[str, str]:
    key = record["dynamodb"]["Keys"]
    return key["pk"]["S"], key["sk"]["S"]
