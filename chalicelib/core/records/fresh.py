"""Putting what is new, under a key that nobody else can have: an id of ours, or the hash of a secret just drawn."""

from __future__ import annotations

from ..ports import Absent, ConditionFailed, Put, Table


def put_fresh(table: Table, put: Put) -> None:
    """Put-if-absent. What stands there already is this very write, sent again by the engine as its answer got lost."""
    assert put.when == (Absent(),)
    try:
        table.write(put)
    except ConditionFailed:
        pass
