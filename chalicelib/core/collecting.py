"""Garbage collection piece by piece, where no call may go on for as long as a look through the whole farm takes (AWS).

A collection is one item, and a filter of the content that is needed. A piece looks at some more jobs and their tasks,
then at what rooms and functions name, and at last removes what is old and not in the filter, as `pruning` does. Each
piece begins with what the one before wrote, and ends with one write that holds only if nobody else has ended that
piece: so an errand may come twice, late or never. Who loses has changed nothing, or removed what was to be removed;
who dies is followed by the next errand, and by the sweep's. The filter is an object, and each piece writes its own; it
says "needed" of a little that is not, never the other way round.

A person begins one (`millrace prune` on AWS), or the sweep does, once a day, where the retention says so. On one
machine nobody leaves errands: there each sweep goes on for a moment.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import holding, pruning
from .errors import Conflict, Unavailable
from .farm import Farm
from .model import JobId
from .ports import Absent, Condition, ConditionFailed, Equals, Item, ObjectHead, Put
from .records import keys
from .turns import Turn

FILTERS = "collections/"
FILTER_BYTES = 1 << 22
"""33 million bits: of 2.5 million contents one in 300 that nobody needs stays until the next time."""
HASHES = 6
TASKS_AT_ONCE = 500
PIECE_SECONDS = 15.0
SWEEP_SECONDS = 2.0
"""Of each sweep where there are no errands: leases that run out wait for it."""
QUIET_MS = 10 * 60 * 1000
"""After so long without a piece its errand is lost, or its process dead: the sweep leaves another."""
DAY_MS = 86_400_000
_SHA256 = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger(__name__)


class Needed:
    """Which digests are needed: a Bloom filter."""

    def __init__(self, data: bytes | None = None) -> None:
        self.data = bytearray(FILTER_BYTES) if data is None else bytearray(data)

    def add(self, digests: Iterable[str]) -> None:
        for digest in digests:
            for bit in self._bits(digest):
                self.data[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, digest: object) -> bool:
        if not _SHA256.fullmatch(str(digest)):
            return False  # no blob's content
        return all(self.data[bit >> 3] >> (bit & 7) & 1 for bit in self._bits(str(digest)))

    def _bits(self, digest: str) -> list[int]:
        """A digest's own bytes are as good as hashes of it."""
        return [int(digest[at * 8 : at * 8 + 8], 16) % (len(self.data) * 8) for at in range(HASHES)]


@dataclass(frozen=True)
class Collection:
    id: int
    before: int
    """What was stored, or relied on, since then stays."""
    dry_run: bool
    piece: int = 0
    moved_at: int = 0
    phase: str = "jobs"
    """`jobs`, `rooms`, `objects`, then `done`; or `failed`."""
    cursor: str | None = None
    """Of the list of jobs."""
    pending: tuple[JobId, ...] = ()
    """Of its page, those not looked at; the first may be begun."""
    last_page: bool = False
    step: int = 0
    index: int = 0
    filter_key: str | None = None
    after: str = ""
    """The object looked at last."""
    removed: int = 0
    removed_bytes: int = 0
    kept: int = 0
    error: str | None = None

    @property
    def is_over(self) -> bool:
        return self.phase in ("done", "failed")


def begin(farm: Farm, *, older_than_days: int, dry_run: bool) -> Collection:
    """A new collection; or the one that is under way. Raises Conflict when that is of the other kind."""
    pruning.check_days(older_than_days)
    pruning.require_todays_form(farm)
    found, now = current(farm), farm.clock.now()
    if found is not None and not found.is_over:
        if found.dry_run != dry_run:
            raise Conflict("a collection of the other kind (dry run or not) is under way; wait until it is through")
        return found
    new = Collection(farm.ids.one(), now - older_than_days * DAY_MS, dry_run, moved_at=now)
    condition = Absent() if found is None else Equals("id", found.id)
    if not _write(farm, _item(new), condition):
        raise Conflict("somebody else has just begun a collection; look again")
    return new


def current(farm: Farm) -> Collection | None:
    """The newest, over or not."""
    item = farm.table.get(keys.collection())
    if item is None:
        return None
    fields = json.loads(item["fields"])
    return Collection(**fields | {"pending": tuple(fields["pending"])})


def go_on(farm: Farm, collection_id: int, seconds: float | None = None) -> Collection | None:
    """Some pieces of that collection, and an errand for the rest. The collection as it is then; None if there is no
    such one any more."""
    turn = Turn(farm, farm.clock.now() + int((PIECE_SECONDS if seconds is None else seconds) * 1000))
    while True:
        found = current(farm)
        if found is None or found.id != collection_id:
            return None
        if found.is_over:
            return found
        if not _piece(farm, found, turn):
            return current(farm)  # somebody else is at it, and leaves the next errand
        if turn.is_over:
            break
    if farm.errands is not None:
        farm.errands.collect(collection_id)
    return current(farm)


def begin_daily(farm: Farm, older_than_days: int | None) -> None:
    """The sweep's: a collection a day; None: nobody wants that, and nothing is read. Else one read.

    Of sweeps at the same moment one writes that today's was begun, and begins it. Who dies in between leaves it to
    tomorrow; one that is under way, of whatever kind, is waited for.
    """
    if older_than_days is None:
        return
    key, now = keys.daily_collection(), farm.clock.now()
    item = farm.table.get(key)
    if item is not None and now - int(item["begun_at"]) < DAY_MS:
        return
    found = current(farm)
    if found is not None and not found.is_over:
        return
    condition = Absent() if item is None else Equals("begun_at", int(item["begun_at"]))
    try:
        pruning.require_todays_form(farm)
        word = {"pk": key.pk, "sk": key.sk, "begun_at": now, "by": farm.random.getrandbits(48)}
        if not _write(farm, word, condition):
            return
        begun = begin(farm, older_than_days=older_than_days, dry_run=False)
    except (Conflict, Unavailable):
        return  # somebody was quicker, or the farm is still being brought up to date
    if farm.errands is not None:
        farm.errands.collect(begun.id)


def look_after(farm: Farm) -> None:
    """The sweep's: a collection that nobody has gone on with for a while gets another errand; where there are none, it
    goes on here. One read."""
    found = current(farm)
    if found is None or found.is_over:
        return
    if farm.errands is None:
        go_on(farm, found.id, SWEEP_SECONDS)
    elif farm.clock.now() - found.moved_at > QUIET_MS:
        farm.errands.collect(found.id)


# ---- pieces


def _piece(farm: Farm, found: Collection, turn: Turn) -> bool:
    """False if somebody else has ended this piece, or is at it."""
    try:
        needed = Needed(_filter(farm, found))
        if found.phase == "objects":
            return _remove_some(farm, found, needed, turn)
        after = _mark_jobs(farm, found, needed, turn) if found.phase == "jobs" else _mark_rooms(farm, found, needed)
    except (
        Conflict
    ) as refused:  # what is needed is not known; should the piece have ended meanwhile, this fails as well
        ended = _commit(farm, found, replace(found, phase="failed", error=refused.message))
        if ended:
            log.warning("nothing was collected: %s", refused.message, extra={"action": "collection_failed"})
        return ended
    key = f"{FILTERS}{found.id}/{found.piece + 1}-{farm.random.getrandbits(64):016x}"
    farm.objects.put(key, bytes(needed.data))
    if _commit(farm, found, replace(after, filter_key=key)):
        return True
    now = current(farm)
    if now is None or now.filter_key != key:  # else the piece is ended, and somebody has gone on with it
        farm.objects.delete(key)
    return False


def _filter(farm: Farm, found: Collection) -> bytes | None:
    if found.filter_key is None:
        return None
    data = farm.objects.get(found.filter_key)
    if data is None:  # the piece has ended meanwhile
        raise Conflict("what was needed is not known any more")
    return data


def _mark_jobs(farm: Farm, found: Collection, needed: Needed, turn: Turn) -> Collection:
    while True:
        if found.pending:
            found = _mark_some(farm, found, needed)
        elif found.last_page:
            return replace(found, phase="rooms")
        else:
            page, cursor = farm.jobs.page(None, 100, found.cursor)
            pending = tuple(job.id for job in page)
            found = replace(found, pending=pending, cursor=cursor, last_page=cursor is None)
        if turn.is_over:
            return found


def _mark_some(farm: Farm, found: Collection, needed: Needed) -> Collection:
    """Some tasks of the first pending job, and before the first of them its settings."""
    job_id, *rest = found.pending
    job = farm.jobs.get(job_id)
    steps = farm.jobs.steps(job_id) if job is not None else []
    if job is not None and (found.step, found.index) == (0, 0):
        needed.add(pruning.named_by(farm, job))
    if found.step >= len(steps):
        return replace(found, pending=tuple(rest), step=0, index=0)
    step = steps[found.step]
    end = min(found.index + TASKS_AT_ONCE, step.count)
    if found.index < end:
        needed.add(pruning.used_by(farm, farm.tasks.range(step.base + found.index, step.base + end - 1)))
    if end < step.count:
        return replace(found, index=end)
    return replace(found, step=found.step + 1, index=0)


def _mark_rooms(farm: Farm, found: Collection, needed: Needed) -> Collection:
    needed.add(pruning.named_by_rooms(farm))
    return replace(found, phase="objects")


def _remove_some(farm: Farm, found: Collection, needed: Needed, turn: Turn) -> bool:
    now = found
    while True:
        heads = farm.objects.list(holding.PREFIX, after=now.after, limit=pruning.DOOMED_AT_ONCE)
        if not heads:
            return _commit(farm, found, replace(now, phase="done"))
        old = [head for head in heads if pruning.may_go(head, now.before, needed)]
        try:
            gone: Sequence[ObjectHead] = old if now.dry_run else pruning.remove(farm, old, now.before)
        except Conflict:
            return False  # somebody else is at it
        now = replace(
            now,
            after=heads[-1].key,
            removed=now.removed + len(gone),
            removed_bytes=now.removed_bytes + sum(head.size for head in gone),
            kept=now.kept + len(heads) - len(gone),
        )
        if turn.is_over:
            return _commit(farm, found, now)


def _commit(farm: Farm, before: Collection, after: Collection) -> bool:
    done = replace(after, piece=before.piece + 1, moved_at=farm.clock.now())
    if done.is_over:
        done = replace(done, filter_key=None)
    if not _write(farm, _item(done), Equals("id", before.id), Equals("piece", before.piece)):
        return False
    if before.filter_key is not None and before.filter_key != done.filter_key:
        farm.objects.delete(before.filter_key)
    if done.is_over and farm.errands is None:
        _forget_filters(farm, done)
    return True


def _forget_filters(farm: Farm, over: Collection) -> None:
    """Those of pieces that were cut off before they could end; on AWS the bucket forgets them by itself. What a newer
    collection has written stays."""
    after = ""
    while heads := farm.objects.list(FILTERS, after=after):
        for head in heads:
            if int(head.key.split("/")[1]) <= over.id:
                farm.objects.delete(head.key)
        after = heads[-1].key


def _write(farm: Farm, item: Item, *conditions: Condition) -> bool:
    """False if somebody else was quicker. No two may write the same."""
    try:
        farm.table.write(Put(item, conditions))
    except ConditionFailed as failed:
        return failed.item == item  # the table's client has repeated it, since the answer was lost
    return True


def _item(collection: Collection) -> dict[str, Any]:
    key = keys.collection()
    fields = json.dumps(asdict(collection))
    return {"pk": key.pk, "sk": key.sk, "id": collection.id, "piece": collection.piece, "fields": fields}
