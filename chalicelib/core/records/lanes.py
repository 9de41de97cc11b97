"""Access patterns of the lane registry: which requirement classes have had work, and which jobs are halted.

One partition, read as a whole and cached for at most two seconds per process. A row is written before the lane's first
task and lives for a day after it was last touched, so a registry row can only be superfluous, never missing: a
producer that knows the row as fresh does not write it again.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..model import JobId, Requirement
from ..ports import Absent, AtMost, ConditionFailed, Delete, Equals, Item, Put, Set, Table
from ..ports import Update as Change
from . import keys
from .fields import from_json, to_json
from .gates import NO_LIMIT
from .paging import pages


@dataclass(frozen=True)
class Lane:
    requirement: Requirement
    top: int
    """The highest job priority put into it lately, 0 once it is empty: lanes are tried in this order where no index is
    exact."""
    touched_at: int
    corrected_at: int = 0
    """When `top` was last set by what was seen at the head: the sweep looks after that for a while."""


class Served(NamedTuple):
    """The lanes that a worker may serve, highest priority first, and their partitions of the ready index."""

    lanes: tuple[Lane, ...]
    partitions: tuple[str, ...]


@dataclass(frozen=True)
class Registry:
    lanes: tuple[Lane, ...]
    halted: frozenset[JobId]
    """Jobs whose queued tasks must not be given away, although some may still stand in their lanes."""
    gated: frozenset[JobId] = frozenset()
    """Jobs of which only so many tasks may run at once: who takes one enters their gate first."""
    unlimited: frozenset[JobId] = frozenset()
    """Those of them whose gate lets everybody in."""
    served: dict[Hashable, Served] = field(default_factory=dict, compare=False, repr=False)
    """By whom: what was found for a worker while this picture counts (`scheduling.served_by`)."""


class LaneRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self) -> Registry:
        lanes: list[Lane] = []
        halted: set[JobId] = set()
        gated: set[JobId] = set()
        unlimited: set[JobId] = set()
        for item in pages(self._table, keys.LANES):
            if item["sk"].startswith("HALT#"):
                halted.add(item["job"])
            elif item["sk"].startswith("GATE#"):
                gated.add(item["job"])
                if item.get("most") == NO_LIMIT:
                    unlimited.add(item["job"])
            else:
                lanes.append(_lane_from(item))
        return Registry(tuple(lanes), frozenset(halted), frozenset(gated), frozenset(unlimited))

    def touch(self, lane: Lane) -> bool:
        """Write the row; called before a task is put into the lane. False: somebody else has just put something of a
        higher priority into it, and has said so; look again."""
        said = (Set("requirement", _requirement(lane)), Set("top", lane.top), Set("touched_at", lane.touched_at))
        for there in (AtMost("top", lane.top), Absent()):
            if self._write(Change(keys.lane(lane.requirement), said, (there,))):
                return True
        return False

    def correct(self, lane: Lane, top: int, now: int) -> None:
        """The head of the lane has another priority than the row says. Loses against any producer's `touch`; but one
        that knew the row as fresh, and does not write it, may have put something of the old priority into the lane
        that was not seen (the index lags). So whoever lowers a lane leaves a mark by which the sweep looks again."""
        untouched = (Equals("touched_at", lane.touched_at), Equals("top", lane.top))
        self._write(Change(keys.lane(lane.requirement), (Set("top", top), Set("corrected_at", now)), untouched))

    def forget(self, lane: Lane) -> None:
        key = keys.lane(lane.requirement)
        self._write(Delete(key, (Equals("touched_at", lane.touched_at),)))

    def _write(self, operation: Change | Delete) -> bool:
        try:
            self._table.write(operation)
        except ConditionFailed:
            return False
        return True

    def halt(self, job_id: JobId, epoch: int) -> None:
        key = keys.halt(job_id)
        self._table.write(Put({"pk": key.pk, "sk": key.sk, "job": job_id, "epoch": epoch}))

    def unhalt(self, job_id: JobId, epoch: int) -> None:
        try:
            self._table.write(Delete(keys.halt(job_id), (AtMost("epoch", epoch),)))
        except ConditionFailed:
            return


def _requirement(lane: Lane) -> str:
    requirement = lane.requirement
    return to_json([requirement.task_type, sorted(requirement.require), sorted(requirement.forbid), requirement.worker])


def _lane_from(item: Item) -> Lane:
    task_type, require, forbid, worker = from_json(item["requirement"])
    requirement = Requirement(task_type, frozenset(require), frozenset(forbid), worker)
    return Lane(requirement, item["top"], item["touched_at"], item.get("corrected_at", 0))
