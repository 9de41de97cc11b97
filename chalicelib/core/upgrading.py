"""Brings the items of a farm that an older Millrace has filled to the form that this one writes, while the farm runs.

Each upgrade has a number, and the farm's own item says how many are done (`upgraded`). An item says in `form` with
which upgrade its form came; without it, it has the first. The sweep goes through the table a few pages at a time and
changes what is of an older form, each item by a write of its own that holds only if the item is still so. The mark of
how far it came moves by a condition, so that two processes may be at it: the slower one finds the mark moved and stops.
One that dies has done a page twice, which is once. Older code may still run meanwhile and write the old form, so an
upgrade is over only when a whole pass has found nothing.

An upgrade adds what older code does not mind. What it would misread also raises `schema.SCHEMA`, in the release after.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence

from .farm import Farm
from .ports import Change, ConditionFailed, Equals, Exists, Item, Key, Missing, Remove, Set, Table, Update
from .records import keys

PAGE = 200
SECONDS = 2.0
"""Of each sweep."""

Upgrade = Callable[[Item], tuple[Change, ...]]
"""What an item lacks to have this form, besides `form` itself; nothing for what the upgrade is not about."""

log = logging.getLogger(__name__)
_done: weakref.WeakSet[Table] = weakref.WeakSet()
"""Tables that this process need not ask again."""


def _listed(item: Item) -> tuple[Change, ...]:
    """Functions and notes stand in a list, by which `prune` knows what content they need."""
    kind, _, name = item["pk"].partition("#")
    if kind == "FUNCTION":
        return Set("listing_pk", keys.listing_pk("functions")), Set("listing_sk", keys.digits(item["id"]))
    if kind == "NOTE":
        return Set("listing_pk", keys.listing_pk("notes")), Set("listing_sk", name)
    return ()


UPGRADES: Sequence[Upgrade] = (_listed,)


def is_needed(table: Table) -> bool:
    """One read, until it is once False."""
    if table in _done:
        return False
    if _upgraded(table.get(keys.farm()) or {}) < len(UPGRADES):
        return True
    _done.add(table)
    return False


def advance(farm: Farm, seconds: float = SECONDS) -> None:
    """Do some of it. Raises TableUnavailable, as everything; the next call goes on from the mark."""
    ends_at = farm.clock.now() + int(seconds * 1000)
    while is_needed(farm.table) and farm.clock.now() <= ends_at:
        if not _one_page(farm.table):
            return


def _one_page(table: Table) -> bool:
    """False when another process is at it."""
    state = table.get(keys.farm()) or {}
    number = _upgraded(state) + 1
    if number > len(UPGRADES):  # it came to the end since it was asked
        return False
    page = table.scan(limit=PAGE, cursor=state.get("upgrade_mark"))
    wanted = [update for item in page.items if (update := _update(item, number)) is not None]
    changed = state.get("upgrade_found", 0) + sum(
        failure is None for failure in table.write_many([[u] for u in wanted])
    )
    try:
        table.write(_moved(state, number, page.cursor, changed))
    except ConditionFailed:
        return False
    if page.cursor is None and not changed:
        log.warning("The farm's items have form %s", number, extra={"action": "upgraded", "form": number})
    return True


def _update(item: Item, number: int) -> Update | None:
    form = item.get("form", 0)
    changes = UPGRADES[number - 1](item) if form < number else ()
    if not changes:
        return None
    unchanged = Equals("form", form) if "form" in item else Missing("form")
    return Update(Key(item["pk"], item["sk"]), (*changes, Set("form", number)), (Exists(), unchanged))


def _moved(state: Item, number: int, cursor: str | None, changed: int) -> Update:
    step = state.get("upgrade_step")
    unmoved = Missing("upgrade_step") if step is None else Equals("upgrade_step", step)
    mark: Change = Remove("upgrade_mark") if cursor is None else Set("upgrade_mark", cursor)
    found = Set("upgrade_found", 0 if cursor is None else changed)
    over = (Set("upgraded", number),) if cursor is None and not changed else ()
    return Update(keys.farm(), (Set("upgrade_step", (step or 0) + 1), mark, found, *over), (unmoved,))


def _upgraded(state: Item) -> int:
    return int(state.get("upgraded", 0))
