"""Cursors as items, both ways. Nothing else knows how their fields are stored."""

from __future__ import annotations

from typing import Any

from ..cursors import Cursor
from ..lifecycle import CursorStatus
from ..ports import Item
from . import keys
from .fields import item
from .task_items import requirement_fields, requirement_from

READY_FIELDS = ("ready_pk", "ready_sk")


def ready_fields(cursor: Cursor) -> dict[str, Any]:
    """Its place in the lane: that of the step's last task, so that what comes back stands before it."""
    last = cursor.base + cursor.count - 1
    return {
        "ready_pk": keys.ready_pk(cursor.requirement),
        "ready_sk": keys.ready_sk(cursor.priority, cursor.own_priority, last),
    }


def is_cursor(found: Item) -> bool:
    """Told from a task, in the ready index and as `take` gives it."""
    return "shard" in found


def cursor_item(cursor: Cursor) -> dict[str, Any]:
    """A cursor as it is first written: open, at its beginning."""
    fields = {
        "id": cursor.base + cursor.count - 1,
        "job": cursor.job,
        "step": cursor.step,
        "shard": cursor.shard,
        "shards": cursor.shards,
        "base": cursor.base,
        "count": cursor.count,
        "first": cursor.first,
        "end": cursor.end,
        "next": cursor.next,
        "windows": cursor.windows,
        "solid": cursor.solid,
        "noted": cursor.noted,
        "noted_at": cursor.noted_at,
        "status": cursor.status.value,
        "epoch": cursor.epoch,
        "wishes": sorted(cursor.wishes) or None,
        "priority": cursor.priority,
        "own_priority": cursor.own_priority,
        "gated": cursor.gated or None,
        # The index carries this name, for another number of tasks; cursors have no generation.
        "generation": cursor.running,
    }
    if cursor.stands:
        fields |= ready_fields(cursor)
    return item(keys.cursor(cursor.job, cursor.step, cursor.shard), fields | requirement_fields(cursor.requirement))


def cursor_from(found: Item) -> Cursor:
    return Cursor(
        job=found["job"],
        step=found["step"],
        shard=found["shard"],
        shards=found["shards"],
        base=found["base"],
        count=found["count"],
        first=found["first"],
        end=found["end"],
        next=found["next"],
        windows=found["windows"],
        solid=found["solid"],
        noted=found["noted"],
        noted_at=found["noted_at"],
        status=CursorStatus(found["status"]),
        epoch=found["epoch"],
        left=found.get("left"),
        requirement=requirement_from(found),
        wishes=frozenset(found.get("wishes") or ()),
        priority=found["priority"],
        own_priority=found["own_priority"],
        stands="ready_pk" in found,
        gated=found.get("gated", False),
        running=found.get("generation"),
        served_at=found.get("served_at", 0),
    )
