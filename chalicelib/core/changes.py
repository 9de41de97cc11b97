"""What changed since a look before: for pages that stay open all day, and must not read lists again and again.

Whoever follows asks once for a cursor, reads the lists, and then asks for what changed since the cursor. Nothing is
missed: changes are timed by the clock of whoever writes them and reach the index some time later, so each look reads
again what happened within the `OVERLAP_SECONDS` before the last one. What was told already is left out, as far as the
cursor remembers; so something may be told twice, and shows then what it showed before.

A look costs one query for each shard of the index (four; small ones, whatever the farm holds) and, only if there is
news, one batch of reads of at most `MOST` items. What a change costs whoever makes it: `records/changes.py`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import BadInput
from .farm import Farm
from .model import Job, JobId, Worker, WorkerId
from .records import keys
from .records.changes import Entry

OVERLAP_SECONDS = 15
"""Above all of these together: how long a write may be repeated (8 s, `dynamo_retry.py`), how far an index lags (some
seconds at worst), how much the clocks of managers differ."""
GONE_KEPT_SECONDS = 86_400
"""For so long it is told what was deleted; whoever comes later starts anew."""
MOST = 100
"""News in one answer, jobs, workers and deletions together."""
MOST_SEEN = 250
"""Entries that a cursor remembers, 8 characters each: it has to fit into a URL."""
AT_ONCE_SECONDS = 0.0
BUSY_SECONDS = 2.0
IDLE_SECONDS = 5.0

_CURSOR = re.compile(r"([0-9]{1,15})\.([0-9]{16}-[0-9a-f]{8})?\.((?:[A-Za-z0-9_-]{8})*)", re.ASCII)


@dataclass(frozen=True)
class Cursor:
    """How far somebody has looked. Looks go in passes from a time to the newest entry, over as many answers as needed.

    A pass gets to its end however fast entries move: it never goes back.
    """

    since: int
    """When the pass begins, or, if one is under way, when the next one will. Milliseconds since 1970."""
    position: str | None
    """The last entry read of a pass that is under way."""
    seen: tuple[str, ...]
    """What was told and may be met again, as digests of entries; the oldest may be missing."""

    def __str__(self) -> str:
        return f"{self.since}.{self.position or ''}.{''.join(self.seen)}"


@dataclass(frozen=True)
class Changes:
    jobs: Sequence[Job]
    workers: Sequence[Worker]
    """Without their blocklists."""
    gone: Sequence[JobId | WorkerId]
    next: Cursor
    poll_seconds: float
    """When to ask again: 0 if there is more already, more while nothing happens."""
    restart: bool = False
    """The cursor is too old to know what was deleted, or from a time that is still to come (a clock was set back): read
    the lists again, and go on with `next`."""


def cursor_from(text: str) -> Cursor:
    """Raises BadInput for what no answer gave."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise BadInput("this is no cursor that an answer of this call gave", field="since")
    since, position, seen = match.groups()
    return Cursor(int(since), position, tuple(seen[n : n + 8] for n in range(0, len(seen), 8)))


def begin(farm: Farm, at: int | None = None) -> Cursor:
    """From here on nothing is missed by who reads the lists after this. `at`: from a time in the last day instead."""
    now = farm.clock.now()
    since = max(now if at is None else min(at, now), now - (GONE_KEPT_SECONDS - 2 * OVERLAP_SECONDS) * 1000)
    return Cursor(since - OVERLAP_SECONDS * 1000, None, ())


def since(farm: Farm, cursor: Cursor) -> Changes:
    """What is new since the answer that gave the cursor, oldest first; at most `MOST` at once."""
    now = farm.clock.now()
    if not now - GONE_KEPT_SECONDS * 1000 < cursor.since <= now:
        return Changes((), (), (), begin(farm), AT_ONCE_SECONDS, restart=True)
    first = keys.digits(cursor.since) if cursor.position is None else cursor.position + "~"
    entries, more = farm.changes.entries(first, MOST)
    seen = set(cursor.seen)
    found = farm.changes.read([entry for entry in entries if _digest(entry) not in seen])
    if more:
        seconds = AT_ONCE_SECONDS
    else:
        seconds = BUSY_SECONDS if entries else IDLE_SECONDS
    return Changes(found.jobs, found.workers, found.gone, _after(cursor, entries, more, now), seconds)


def forget(farm: Farm) -> int:
    """Drop what is left of deletions that nobody is told of any more."""
    return farm.changes.forget_gone(farm.clock.now() - (GONE_KEPT_SECONDS + OVERLAP_SECONDS) * 1000)


def _after(cursor: Cursor, entries: Sequence[Entry], more: bool, now: int) -> Cursor:
    """The time of the next pass is fixed when this one begins: what moves while it is under way is met then."""
    begins = cursor.position is None
    # In steps, so that the pages of a farm where nothing happens ask with the same words for a while.
    settled = now - OVERLAP_SECONDS * 1000
    since = settled if begins and settled - cursor.since >= OVERLAP_SECONDS * 1000 else cursor.since
    told = [_digest(entry) for entry in entries if entry.sk >= keys.digits(since)]
    if not begins or more:
        told = [digest for digest in cursor.seen if digest not in told] + told
    return Cursor(since, entries[-1].sk if more else None, tuple(told[-MOST_SEEN:]))


def _digest(entry: Entry) -> str:
    text = f"{entry.key.pk} {entry.key.sk} {entry.sk}".encode()
    return base64.urlsafe_b64encode(hashlib.blake2b(text, digest_size=6).digest()).decode()
