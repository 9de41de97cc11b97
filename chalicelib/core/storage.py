"""How many bytes the farm keeps: for people, never for decisions.

Uploads and deletions go around the manager, and events of them may come twice or not at all, so nothing is counted as
it comes. Instead each minute's sweep looks at the next thousand objects, and where it comes to the last one, their sum
is what is stored. So the cost is one list request and one small write a minute however much there is: a farm of up to a
thousand objects is told exactly each minute; a million take most of a day, and the sum is as old as that. A process
that dies, or two that look at once, repeat a part or leave it to the other: the place moves on only from where it was
read.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from .farm import Farm
from .ports import Absent, ConditionFailed, Equals, Put
from .records import keys

MOST_AT_ONCE = 1000


class Stored(NamedTuple):
    """As it was summed up last."""

    bytes: int
    objects: int
    at: int


def read(farm: Farm) -> Stored | None:
    """None: not all has been looked at yet."""
    item = farm.table.get(keys.storage())
    if item is None or item.get("at") is None:
        return None
    return Stored(item["bytes"], item["objects"], item["at"])


def look(farm: Farm) -> Stored | None:
    """At the next part. What is known then."""
    key = keys.storage()
    before = farm.table.get(key)
    now: dict[str, Any] = {"after": "", "seen_bytes": 0, "seen_objects": 0} | dict(
        before or {"pk": key.pk, "sk": key.sk}
    )
    heads = farm.objects.list("", after=now["after"], limit=MOST_AT_ONCE)
    seen_bytes = now["seen_bytes"] + sum(head.size for head in heads)
    seen_objects = now["seen_objects"] + len(heads)
    if len(heads) == MOST_AT_ONCE:
        now |= {"after": heads[-1].key, "seen_bytes": seen_bytes, "seen_objects": seen_objects}
    else:
        now |= {"after": "", "seen_bytes": 0, "seen_objects": 0}
        now |= {"bytes": seen_bytes, "objects": seen_objects, "at": farm.clock.now()}
    when = Absent() if before is None else Equals("after", before["after"])
    with contextlib.suppress(ConditionFailed):  # another process looked at this part
        farm.table.write(Put(now, (when,)))
    return read(farm)
