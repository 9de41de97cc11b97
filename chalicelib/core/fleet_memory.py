"""What a fleet remembers from one look to the next: one item, written only over the version that was read, so that of
two looks at once one acts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .farm import Farm
from .fleet import Decision, Memory
from .ports import Absent, ConditionFailed, Equals, Put
from .records import keys
from .records.fields import from_json, to_json


@dataclass(frozen=True)
class Noted:
    """The last decision, as `./millrace status` tells it, and what the next one needs."""

    memory: Memory
    version: int = 0
    desired: int = 0
    reason: str = "nothing was decided yet"


def read(farm: Farm) -> Noted:
    item = farm.table.get(keys.fleet())
    if item is None:
        return Noted(Memory())
    kept = from_json(item["memory"])
    known = {field.name: kept[field.name] for field in dataclasses.fields(Memory) if field.name in kept}
    return Noted(Memory(**known), item["version"], item["desired"], item["reason"])


def write(farm: Farm, before: Noted, decision: Decision) -> bool:
    """False when another look was faster: it acts, this one must not. A decision that changes nothing for a fleet
    without machines is not written: an idle farm pays for no writes."""
    if before.version and _is_at_rest(before, decision):
        return True
    key = keys.fleet()
    fields = {
        "memory": to_json(dataclasses.asdict(decision.memory)),
        "version": before.version + 1,
        "desired": decision.desired,
        "reason": decision.reason,
    }
    when = (Equals("version", before.version),) if before.version else (Absent(),)
    try:
        farm.table.write(Put({"pk": key.pk, "sk": key.sk, **fields}, when))
    except ConditionFailed:
        return False
    return True


def _is_at_rest(before: Noted, decision: Decision) -> bool:
    nothing_paid = not before.memory.paid and not decision.memory.paid
    nobody_went = before.memory.first_seen == decision.memory.first_seen
    return nothing_paid and nobody_went and (before.desired, before.reason) == (decision.desired, decision.reason)
