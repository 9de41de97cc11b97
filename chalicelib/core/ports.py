"""What the core needs from the outside, in small protocols: a table, an object store, a clock, a bell, errands.

The table speaks DynamoDB's possibilities in plain values, so that every rule of the farm exists once, above it.
Engines: `store/sqlite.py` (one machine), `store/dynamo.py` (AWS), and a simulated one in the tests that loses
answers, conflicts and lags on purpose. All three pass one suite.

An item is a flat mapping of field to value. Values are str, int, bool, None, lists and dicts of these, and number
sets (`frozenset[int]`). No floats: DynamoDB has decimals, JSON has doubles; times are integers in milliseconds.
Every item has `pk` and `sk`. An item stands in the index `X` when it has both fields `X_pk` and `X_sk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
Value = Any
Item = Mapping[str, Value]


class Key(NamedTuple):
    """Names one item of the base table."""

    pk: str
    sk: str


# ---- conditions: each a small value; several together mean "and" ---------------------------------------------------


@dataclass(frozen=True)
class Exists:
    """The item is there."""


@dataclass(frozen=True)
class Absent:
    """There is no such item (put-if-absent)."""


@dataclass(frozen=True)
class Equals:
    """The field is there and has this value."""

    field: str
    value: Value


@dataclass(frozen=True)
class OneOf:
    """The field is there and has one of these values (at least one, at most a hundred)."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class AtMost:
    """The field is there and is a number not above this one, or a string not after it."""

    field: str
    value: int | str


@dataclass(frozen=True)
class Missing:
    """The item may be there or not, but has no such field."""

    field: str


Condition = Exists | Absent | Equals | OneOf | AtMost | Missing


# ---- changes to one item -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Set:
    """The field gets this value. `None` is a value; use `Remove` to take the field away."""

    field: str
    value: Value


@dataclass(frozen=True)
class Remove:
    """The field goes away; nothing happens if it is not there."""

    field: str


@dataclass(frozen=True)
class Add:
    """The number grows by this much (from 0 if absent). Only where a repetition fails its condition or does no harm."""

    field: str
    amount: int


@dataclass(frozen=True)
class Include:
    """The number set gains these members (from the empty set if absent). Repeating it changes nothing."""

    field: str
    members: frozenset[int]


Change = Set | Remove | Add | Include


# ---- operations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Put:
    """Write the whole item; with `Absent()` in `when`, only if there is none."""

    item: Item
    when: tuple[Condition, ...] = ()

    @property
    def key(self) -> Key:
        return Key(self.item["pk"], self.item["sk"])


@dataclass(frozen=True)
class Update:
    """Change fields of one item. Without a condition on existence it creates the item. A field may appear once."""

    key: Key
    changes: tuple[Change, ...]
    when: tuple[Condition, ...] = ()
    signed: bool = False
    """It says in the item who made it and when, and nobody else's leaves the same: so a `take` that is refused by an
    item which is as this leaves it has met itself, sent again by the engine as its answer got lost."""


@dataclass(frozen=True)
class Delete:
    """Remove the item; nothing happens if there is none and no condition asks for it."""

    key: Key
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Check:
    """Inside a transaction only: change nothing, but let everything fail unless the conditions hold."""

    key: Key
    when: tuple[Condition, ...]


Operation = Put | Update | Delete | Check


class ConditionFailed(Exception):
    """A condition did not hold, so nothing of the transaction was written.

    `position` is the first operation that failed; `item` is what stood in the table then (None: no such item).
    """

    def __init__(self, position: int, item: Item | None) -> None:
        super().__init__(f"condition of operation {position} did not hold")
        self.position = position
        self.item = item


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


Pick = Callable[[Sequence[Item]], Iterable[Update]]
"""Given candidates in index order, gives the updates to try, best first. Pure, quick, reads only projected fields."""


Enough = Callable[[Item], bool]
"""Given an item that was just moved, says whether to stop. Only asked where more than one can be moved at once."""


def first_is_enough(_: Item) -> bool:
    return True


Onward = Callable[[Item], str | None]
"""Given the last item of a page, says at which sort key to go on, where nothing before is of use to the caller; None:
with the next item. Pure and quick, and knows before the call what it knows."""


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
        most; `onward` must give a sort key behind its item, the same for all partitions.
        """
        ...


# ---- objects -------------------------------------------------------------------------------------------------------


class ObjectHead(NamedTuple):
    key: str
    size: int
    modified_at: int
    """Milliseconds since 1970."""


class SignedRequest(NamedTuple):
    """What a client must send: method, URL (may be path-absolute: the door completes it) and headers, verbatim."""

    method: str
    url: str
    headers: Mapping[str, str]


class StoredPart(NamedTuple):
    """A part of a large upload, as its sender knows it. `etag`: what the store answered, if anything."""

    number: int
    """From 1."""
    sha256: str
    etag: str


class ObjectMismatch(Exception):
    """The bytes are not what was announced (size or SHA-256). Nothing was stored."""


class ObjectStore(Protocol):
    """Immutable bytes under keys such as `blobs/<sha256>` and `logs/<task>/<attempt>/<offset>`."""

    verifies_parts_together: bool
    """`complete_parts` holds the whole to its digest."""

    def head(self, key: str) -> ObjectHead | None: ...

    def put(self, key: str, data: bytes) -> None:
        """Store small bytes durably; an existing object is replaced."""
        ...

    def put_stream(self, key: str, source: BinaryIO, *, size: int | None = None, sha256: str | None = None) -> int:
        """Store from a stream in constant memory, verify what was announced, give the size. All or nothing."""
        ...

    def get(self, key: str) -> bytes | None: ...

    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes] | None:
        """The bytes in chunks, or None. Constant memory."""
        ...

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectHead]:
        """Objects whose key starts with the prefix and comes after `after`, by key."""
        ...

    def delete(self, key: str) -> None: ...

    def touch(self, key: str) -> bool:
        """Make `modified_at` now; False if there is no such object. S3 does it up to 5 GiB."""
        ...

    def sign_upload(self, key: str, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        """A request that stores exactly these bytes under exactly this key, and nothing else."""
        ...

    def begin_parts(self, key: str) -> str:
        """Begin an upload in parts: its id, which is worth something for this key only. One that is never completed
        keeps nothing that anybody sees, and goes within days."""
        ...

    def sign_part(self, key: str, upload: str, number: int, *, size: int, sha256: str, seconds: int) -> SignedRequest:
        """A request that stores exactly these bytes as part `number` (from 1) of the upload."""
        ...

    def complete_parts(self, key: str, upload: str, parts: Sequence[StoredPart], *, size: int, sha256: str) -> None:
        """Make the object of these parts, all of it or nothing. Each part was verified when it came. The whole is
        verified by its size, and by its digest where `verifies_parts_together` (S3 does not read what it joins).

        Raises ObjectMismatch: a part is missing, or the whole is not what was announced.
        """
        ...

    def abort_parts(self, key: str, upload: str) -> None:
        """Forget an upload and its parts; nothing happens if there is none."""
        ...

    def sign_download(
        self, key: str, *, seconds: int, content_type: str, filename: str | None = None
    ) -> SignedRequest: ...


# ---- time and waiting ----------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Wall-clock time in whole milliseconds since 1970."""

    def now(self) -> int: ...


class Waiter(Protocol):
    """Registered for topics from creation on: a ring between a look at the table and `wait` is not lost."""

    def wait(self, seconds: float) -> bool:
        """True as soon as a topic rang; False when the time is over. The look at the table decides, never the ring."""
        ...

    def used(self) -> None:
        """The wake was made use of: it need not be passed on."""
        ...

    def __enter__(self) -> Waiter: ...

    def __exit__(self, *exc: object) -> None:
        """Leaves; a ring that this waiter got and did not use is passed on to another."""
        ...


class Bell(Protocol):
    """Wakes calls that wait for work or for a job's end."""

    def waiter(self, topics: Iterable[str]) -> Waiter: ...

    def ring(self, topic: str, *, times: int | None = 1) -> None:
        """Wake that many waiters of the topic, all for None."""
        ...


# ---- slow work -----------------------------------------------------------------------------------------------------


class Errands(Protocol):
    """Hands slow work to another process. An errand may run twice, late, or (when the queue fails) not at all: the
    sweep does what is left."""

    def settle(self, job_id: int) -> None:
        """Have this job settled soon. Never raises."""
        ...

    def collect(self, collection_id: int) -> None:
        """Have that garbage collection go on soon. Never raises."""
        ...


# ---- e-mail --------------------------------------------------------------------------------------------------------


class MailFailed(Exception):
    """The e-mail was not taken, or it is not known; the message says why."""


class Mailer(Protocol):
    """Sends e-mail from the farm's own address. Farms on one machine have none."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Hand over plain text for one address. The subject is one line without control characters. Taken is not
        delivered: what bounces later is not heard of here. Raises MailFailed."""
        ...
