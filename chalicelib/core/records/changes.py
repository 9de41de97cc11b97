"""Access patterns of what changed lately: jobs and workers as lists show them, and those that are gone.

A job's or worker's item stands in the index `changed` at the time of its last visible change, so one change of it is
one entry that moves. What that costs on DynamoDB: two write units of the index (the old entry, the new one) on top of
the write that it goes along with; there is no further write. Contacts and renewals change nothing that is shown, move
no entry and cost what they did before.
"""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..model import Job, JobId, Worker, WorkerId
from ..ports import Change, Clock, Delete, Key, Put, Set, Table
from . import job_items, keys, worker_items
from .paging import pages

JOB_SHOWS = frozenset({"status", "counts", "name", "priority", "outputs", "error", "started_at", "finished_at"})
WORKER_SHOWS = frozenset(
    {
        "status",
        "status_requested",
        "lazy",
        "name",
        "task_types",
        "runtimes",
        "tags",
        "slots",
        "sleep_schedule",
        "lost_at",
    }
)
"""Fields of an item whose change is news."""


def place(entity_id: int, at: int) -> dict[str, str]:
    """The fields that put a job or worker, or what is left of it, at this time into the index."""
    return {
        "changed_pk": keys.changed_pk(keys.changed_shard(entity_id)),
        "changed_sk": keys.changed_sk(at, secrets.token_hex(4)),
    }


def moves(entity_id: int, changes: Sequence[Change], shows: Collection[str], clock: Clock) -> list[Change]:
    """What goes along with these changes: nothing, if none of them shows."""
    if not any(change.field in shows for change in changes):
        return []
    return [Set(name, value) for name, value in place(entity_id, clock.now()).items()]


def gone(entity_id: int, at: int) -> Put:
    """What is left of something deleted, for those who have it on their screens."""
    key = keys.gone(at, entity_id)
    return Put({"pk": key.pk, "sk": key.sk, **place(entity_id, at)})


class Entry(NamedTuple):
    """One place in the index. `sk` is its time and sorts; the same item at another time is another entry."""

    sk: str
    key: Key


class Found(NamedTuple):
    jobs: list[Job]
    workers: list[Worker]
    gone: list[JobId | WorkerId]


class ChangeRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def entries(self, first: str, limit: int) -> tuple[list[Entry], bool]:
        """Up to `limit` entries from this sort key on, oldest first, and whether there are more. One query a shard."""
        shards = [self._of_shard(shard, first, limit) for shard in range(keys.CHANGED_SHARDS)]
        # Of a shard that was not read to its end nothing is known after its last entry.
        known = min((entries[-1].sk for entries, more in shards if more), default=None)
        merged = heapq.merge(*(entries for entries, _ in shards))
        found = [entry for entry in merged if known is None or entry.sk <= known]
        return found[:limit], known is not None or len(found) > limit

    def _of_shard(self, shard: int, first: str, limit: int) -> tuple[list[Entry], bool]:
        pk, cursor = keys.changed_pk(shard), None
        while True:
            page = self._table.query(pk, index="changed", first=first, limit=limit, cursor=cursor)
            entries = [Entry(item["changed_sk"], Key(item["pk"], item["sk"])) for item in page.items]
            if entries or page.cursor is None:
                return entries, page.cursor is not None
            cursor = page.cursor

    def read(self, entries: Sequence[Entry]) -> Found:
        """What these stand for, as it is now; one batch of reads. Workers come without their blocklists."""
        living = [entry.key for entry in entries if entry.key.pk != keys.GONE]
        items = [item for item in self._table.get_many(living) if item is not None] if living else []
        return Found(
            [job_items.job_from(item) for item in items if item["sk"] == "JOB" and job_items.HIDDEN not in item],
            [worker_items.worker_from(item) for item in items if item["sk"] != "JOB"],
            [int(entry.key.sk.rpartition("|")[2]) for entry in entries if entry.key.pk == keys.GONE],
        )

    def forget_gone(self, before: int) -> int:
        """Drop what is left of things that were deleted before this time."""
        old = list(pages(self._table, keys.GONE, last=keys.digits(before)))
        self._table.write_many([[Delete(Key(item["pk"], item["sk"]))] for item in old])
        return len(old)
