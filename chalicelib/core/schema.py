"""Which form the farm's data has, so that no program takes data of a newer one for its own.

The number stands in the farm's own item. It rises only with a change that older code would misread: fields that are
added with a default do not raise it. Called once by each process that opens a farm; a farm without a number has the
first form.
"""

from __future__ import annotations

from .ports import Absent, ConditionFailed, Put, Table
from .records import keys
from .upgrading import UPGRADES

SCHEMA = 1
"""What this code writes."""


class NewerData(Exception):
    """The farm's data was written by a newer Millrace; nothing was changed."""


def check(table: Table) -> None:
    """One read. Raises NewerData."""
    found = table.get(keys.farm())
    number = 1 if found is None else found.get("schema", 1)
    if number > SCHEMA:
        raise NewerData(
            f"its data has form {number}, and this Millrace knows forms up to {SCHEMA}: it was written by a newer one; "
            "run that, or restore a backup from before the upgrade"
        )


def stamp(table: Table) -> None:
    """Note the number, if there is none; a farm that is new needs no upgrades. Raises NewerData."""
    check(table)
    key = keys.farm()
    upgraded = 0 if _holds_something(table) else len(UPGRADES)
    try:
        table.write(Put({"pk": key.pk, "sk": key.sk, "schema": SCHEMA, "upgraded": upgraded}, (Absent(),)))
    except ConditionFailed:
        pass  # it is there


def _holds_something(table: Table) -> bool:
    """A page may be empty and not the last."""
    page = table.scan(limit=1)
    while not page.items and page.cursor is not None:
        page = table.scan(limit=1, cursor=page.cursor)
    return bool(page.items)
