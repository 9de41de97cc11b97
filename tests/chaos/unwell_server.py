"""`python -m tests.chaos.unwell_server FOLDER SEED ARGUMENTS...`: `millrace serve`, to which things happen from inside.

FOLDER has the files by which a round makes them happen:

    clock-server  seconds by which the wall clock is off
    die-after     so many calls to the table later the process dies: between two writes of whatever it is doing

And events arrive as they may: twice, late, in pieces, and the second time in another order.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from tests.chaos.clocks import skew_by

DIE_AFTER = "die-after"
WRITES = ("write", "update", "write_many", "take")
MOST_REMEMBERED = 200


def main() -> int:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    skew_by(folder / "clock-server")
    from chalicelib.embedded import serving
    from chalicelib.store.sqlite import SqliteTable

    for name in WRITES:
        setattr(SqliteTable, name, mortal(getattr(SqliteTable, name), folder / DIE_AFTER))
    feed_of = serving.feed_of

    def unwell_feed_of(farm: Any) -> Any:
        feed = feed_of(farm)
        feed._handle = Untidy(feed._handle, random.Random(seed))
        return feed

    serving.feed_of = unwell_feed_of
    return serving.main(sys.argv[3:])


Record = TypeVar("Record")


class Untidy(Generic[Record]):
    """A stream's delivery to a handler: what may be asked of it, and no more than DynamoDB's stream asks."""

    def __init__(self, handle: Callable[[Sequence[Record]], None], choice: random.Random) -> None:
        self._handle = handle
        self._choice = choice
        self._before: list[Record] = []

    def __call__(self, records: Sequence[Record]) -> None:
        if self._choice.random() < 0.2:
            time.sleep(self._choice.uniform(0.0, 1.5))
        if len(records) > 1 and self._choice.random() < 0.3:
            self._handle(records[: self._choice.randrange(1, len(records))])
            raise InPieces("the rest comes later, and this once more")
        self._handle(records)
        self._before = [*self._before, *records][-MOST_REMEMBERED:]
        if self._choice.random() < 0.3:
            again = self._choice.sample(self._before, self._choice.randint(1, len(self._before)))
            self._handle(again)


class InPieces(Exception):
    """A batch broke off in the middle."""


_counting = threading.Lock()
"""One for all calls: they count together."""


def mortal(call: Callable[..., Any], path: Path) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        with _counting:
            left = _count_down(path)
        if left == 0 and path.with_suffix(".before").exists():
            os._exit(137)
        given = call(*args, **kwargs)
        if left == 0:
            os._exit(137)
        return given

    return called


def _count_down(path: Path) -> int | None:
    """How many calls are left with this one; None: nobody wants this process to die.

    The order may be withdrawn at any moment: it is rewritten in place, so that what is gone does not come back.
    """
    try:
        with path.open("r+") as file:
            left = int(file.read()) - 1
            file.seek(0)
            file.write(str(left))
            file.truncate()
    except (OSError, ValueError):
        return None
    if left <= 0:
        path.unlink(missing_ok=True)
    return max(0, left)


if __name__ == "__main__":
    sys.exit(main())
