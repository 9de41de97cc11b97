"""The table: DynamoDB's possibilities in plain values, so that every rule of the farm exists once, above it.

Engines: `store/sqlite.py` (one machine), `store/dynamo.py` (AWS), and a simulated one in the tests that loses
answers, conflicts and lags on purpose. All three pass one suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from .items import Item, Key
from .writes import ConditionFailed, Operation, Update

T = TypeVar("T")


class TableUnavailable(Exception):
    """The table did not answer, or keeps throttling, after the engine's own retries. Whether a write took effect is
    not known. The caller may repeat what is written to be repeatable, and otherwise says "try again" to its client."""


class Page(NamedTuple):
    """Part of a query's answer. `cursor` is None at the end; a page may be empty and still have a cursor."""

    items: list[Item]
    cursor: str | None


class Taken(NamedTuple):
    """What `take` moved: each item as it is after its update, best first.

    `contended` tells an empty-handed caller that there was something, but others were faster: ask again soon.
    """

    items: tuple[Item, ...]
    contended: bool

    @property
    def item(self) -> Item | None:
        """The only one, where no more was asked for."""
        return self.items[0] if self.items else None


Pick = Callable[[Sequence[Item]], Iterable[Update | None]]
"""Given candidates in index order, gives the updates to try, best first; None: nothing further is wanted, from here or
elsewhere. Pure, quick, reads only projected fields."""


Enough = Callable[[Item], bool]
"""Given an item that was just moved, says whether to stop. Only asked where more than one can be moved at once."""


def first_is_enough(_: Item) -> bool:
    return True


Onward = Callable[[Item], str | None]
"""Given the last item of a page that `pick` has seen, says at which sort key to go on in its partition, where nothing
before is of use to the caller; None: with the next item. Pure and quick."""


def with_the_next(_: Item) -> str | None:
    return None


class Table(Protocol):
    """One table with sparse indexes. Base reads are strongly consistent; index reads may lag unless `exact`."""

    exact: bool
    """True where index reads never lag and `take` runs inside the writer (one machine)."""

    def get(self, key: Key) -> Item | None: ...

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        """Any number of items, in the order asked, None where there is none."""
        ...

    def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        first: str | None = None,
        last: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Items of one partition of the base table or of an index, by sort key, both ends included.

        Index items hold at least the projected fields (`store/keys.py`). A bad cursor raises ValueError.
        """
        ...

    def scan(self, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Every item of the base table, in an order of the engine's own; for migrations, and for nothing else.

        What is written meanwhile may be in it or not; what was there before and stays is. A page may have fewer items
        than `limit` and still a cursor. A bad cursor raises ValueError.
        """
        ...

    def write(self, *operations: Operation) -> None:
        """One durable write; several operations (up to 100, on different items) are one transaction.

        Raises ConditionFailed or TableUnavailable.
        """
        ...

    def update(self, update: Update) -> Item:
        """As `write` with one update, and gives the item as it is afterwards."""
        ...

    def write_many(self, transactions: Sequence[Sequence[Operation]]) -> list[ConditionFailed | None]:
        """Independent transactions: each succeeds or fails by itself. Embedded they share one durable commit."""
        ...

    def at_once(self, work: Callable[[], T]) -> T:
        """The result of `work`, whose calls of this table belong together: one machine makes them one commit, in which
        nobody else writes; elsewhere each is by itself, as always.

        So `work` must be right without it, and short. What it raises undoes nothing. Nobody sees its writes before it
        ends: it rings no bells, and keeps nothing in memory that would be wrong if they were lost.
        """
        ...

    def take(
        self,
        index: str,
        pks: Sequence[str],
        pick: Pick,
        *,
        enough: Enough = first_is_enough,
        onward: Onward = with_the_next,
        page: int = 40,
    ) -> Taken:
        """Move the best item that fits from the partitions of an index.

        Exact engines look at all partitions in one order by sort key, inside the writer, and go on until it is
        `enough`, so `pick` must bear that what it has given was taken. Others move one at most: they try the partitions
        in the order given, retry at most three lost races, and then say `contended`. All look at so many pages at
        most: thirty and more of which `pick` wanted nothing. `onward` must give a sort key behind its item.
        """
        ...
