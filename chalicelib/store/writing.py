"""What the SQLite engine does inside its writer: looks, decides and encodes, and only then writes the first row.

Each call is given the connection of a commit that has begun (`group_commit.py`). It raises before it writes, or else
SQLite's own errors, which undo the whole commit.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from chalicelib.core.ports import Item, Operation, table
from chalicelib.store.change_log import ChangeLog
from chalicelib.store.checks import Indexes, check_update
from chalicelib.store.evaluate import all_hold, demand, outcome
from chalicelib.store.merging import candidates
from chalicelib.store.rows import Rows


class Writing:
    """Of one table. `log` is told of every change; None: nobody is."""

    def __init__(self, indexes: Indexes, rows: Rows, log: ChangeLog | None) -> None:
        self._indexes, self._rows, self._log = indexes, rows, log

    def transact(self, operations: Sequence[Operation], connection: sqlite3.Connection) -> list[Item | None]:
        """All of it or, by an exception, nothing. Each item as it is then; ConditionFailed if it may not be."""
        befores = [self._rows.read(connection, operation.key) for operation in operations]
        demand(operations, befores)
        pairs = list(zip(operations, befores, strict=True))
        afters = [outcome(operation, before, self._indexes) for operation, before in pairs]
        changes = [(before, after) for before, after in zip(befores, afters, strict=True) if before is not after]
        self._store(connection, changes)
        return afters

    def take(
        self,
        index: str,
        pks: Sequence[str],
        pick: table.Pick,
        enough: table.Enough,
        onward: table.Onward,
        page: int,
        connection: sqlite3.Connection,
    ) -> table.Taken:
        """Nobody else writes meanwhile, so no race is lost: what `pick` gives is taken, unless its condition fails."""
        taken: list[Item] = []
        refused = False
        with closing(candidates(self._rows, connection, index, pks, page, onward)) as pages:
            for update in itertools.chain.from_iterable(map(pick, pages)):
                if update is None:
                    break
                checked = check_update(update, self._indexes)
                before = self._rows.read(connection, checked.key)
                if not all_hold(checked.when, before):
                    refused = True
                    continue
                after = outcome(checked, before, self._indexes)
                assert after is not None
                self._store(connection, [(before, after)])
                taken.append(after)
                if enough(after):
                    break
        return table.Taken(tuple(taken), refused and not taken)

    def _store(self, connection: sqlite3.Connection, changes: Sequence[tuple[Item | None, Item | None]]) -> None:
        """What was (before) becomes what is to be (after)."""
        for statement in [self._rows.write(before, after) for before, after in changes]:
            connection.execute(*statement)
        if self._log is not None:
            for before, after in changes:
                self._log.note(connection, before, after)
