"""Access patterns of gates: one item for each job that may run only so many tasks at once.

It holds a ticket for each of its tasks that runs, a field of its own, and `over`: how many there are, less the most
that there may be. Both change in one update, on condition that the ticket is not there yet (or still is): so a
repetition counts nothing twice, and of many that enter at once none is let in too many. The table's client repeats a
write whose answer was lost, and is refused by its own effect: so who is refused looks whether its ticket is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..model import JobId, WorkerId
from ..ports import (
    Absent,
    Add,
    AtMost,
    Check,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Item,
    Missing,
    Put,
    Remove,
    Set,
    Table,
)
from ..ports import Update as Change
from . import keys

TICKET = "t"
"""What the names of tickets begin with."""
NO_LIMIT = 1_000_000
"""A gate that lets everybody in: of a job whose limit was lifted. Its entries ask for a ticket as long as they live."""


@dataclass(frozen=True)
class Gate:
    most: int
    over: int
    tickets: Mapping[int, tuple[WorkerId, int]]
    """Ticket -> who entered with it, and when."""

    @property
    def is_full(self) -> bool:
        return self.over >= 0


class GateRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, job_id: JobId) -> Gate | None:
        item = self._table.get(keys.gate(job_id))
        return None if item is None else _gate_from(item)

    def full_of(self, job_ids: Iterable[JobId]) -> list[JobId]:
        """Those that let nobody in at this moment; one read for all."""
        asked = list(job_ids)
        found = zip(asked, self._table.get_many([keys.gate(job_id) for job_id in asked]), strict=True)
        return [job_id for job_id, item in found if item is not None and _gate_from(item).is_full]

    def keep(self, job_id: JobId, most: int) -> None:
        """Let there be a gate that lets so many in, and the row by which claims know of it: a new one with it, so that
        none stays that `remove` does not hear of; else before it. One write where all is as wanted; may be repeated."""
        row, key = keys.gated(job_id), keys.gate(job_id)
        known = Put({"pk": row.pk, "sk": row.sk, "job": job_id, "most": most})
        found = self.get(job_id)
        try:
            if found is None:
                gate = Put({"pk": key.pk, "sk": key.sk, "most": most, "over": -most}, (Absent(),))
                self._table.write(known, gate)
                return
            self._table.write(known)
            if found.most != most:
                changes = (Set("most", most), Add("over", found.most - most))
                self._table.write(Change(key, changes, (Equals("most", found.most),)))
        except ConditionFailed:
            return  # somebody else has just said how many; the sweep looks again

    def enter(self, job_id: JobId, ticket: int, worker_id: WorkerId, at: int) -> bool:
        """False when it is full, or not there (yet). No two may come with the same ticket."""
        name, entered = f"{TICKET}{ticket}", [worker_id, at]
        changes = (Add("over", 1), Set(name, entered))
        try:
            self._table.write(Change(keys.gate(job_id), changes, (Exists(), AtMost("over", -1), Missing(name))))
        except ConditionFailed as failed:
            return failed.item is not None and failed.item.get(name) == entered
        return True

    def leave(self, job_id: JobId, ticket: int) -> None:
        name = f"{TICKET}{ticket}"
        gate = self._table.get(keys.gate(job_id))
        if gate is None or name not in gate:
            return
        changes = (Add("over", -1), Remove(name))
        try:
            self._table.write(Change(keys.gate(job_id), changes, (Equals(name, gate[name]),)))
        except ConditionFailed:
            return  # it has left

    def remove(self, job_id: JobId, gate: Gate | None) -> None:
        """For a job that has ended, unless somebody has entered: then it lives again. With its row, or not at all."""
        key = keys.gate(job_id)
        gone: Check | Delete = Check(key, (Absent(),))
        if gate is not None:
            gone = Delete(key, (Equals("over", -gate.most), Equals("most", gate.most)))
        with suppress(ConditionFailed):
            self._table.write(gone, Delete(keys.gated(job_id)))


def _gate_from(item: Item) -> Gate:
    tickets = {
        int(name.removeprefix(TICKET)): (entered[0], entered[1])
        for name, entered in item.items()
        if name.startswith(TICKET) and name[1:].isdigit()
    }
    return Gate(item["most"], item["over"], tickets)
