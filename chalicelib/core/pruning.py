"""Content that nothing needs goes: old objects that no job, function or room names. Asked for by an operator,
with a dry run (`docs/files.md`).

What is needed is looked for broadly. Any number in a job's settings and annotations, or in a room's notes, that is a
blob's id keeps that blob; so do the inputs and outputs of every task of every job that was not deleted, functions, and
manifests, which keep their objects.

A job may be submitted at the same moment, with content that is old and that nobody needs yet. Whoever relies on old
content touches it and then looks whether it is doomed (`holding.py`); here it is doomed first, in one item, and then
looked at again: touched meanwhile, it stays. So either the one sees the touch, or the other sees the doom and says
"try again", or that the content is gone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from . import upgrading
from .errors import BadInput, Conflict, ObjectMissing, Unavailable
from .farm import Farm
from .holding import DOOMED_MS, LARGEST_TOUCHED, PREFIX
from .ids import PER_SECOND
from .model import Blob, BlobId, Job, ManifestId, Task
from .ports import ObjectHead
from .records.notes import all_notes
from .results import tasks_of

DAY_MS = 24 * 3600 * 1000
DOOMED_AT_ONCE = 100
LOOKED_UP = 1_000
SMALLEST_ID = PER_SECOND
"""Ids of the farm are far above; smaller numbers are something else."""


class Pruned(NamedTuple):
    removed: int
    """Objects; in a dry run, those that would be."""
    removed_bytes: int
    kept: int
    complete: bool
    """False: the rest goes on by errands; call again to see how far it is."""


def prune(farm: Farm, *, older_than_days: int, dry_run: bool) -> Pruned:
    """Remove what was stored, or last relied on, before so many days, and is not needed.

    Reads every job and task once, and lists the store, in one go: where calls end, `collecting` does it in pieces.
    Raises Conflict, with nothing removed, when a job cannot be read; also when another process is at it.
    """
    check_days(older_than_days)
    now = farm.clock.now()
    require_todays_form(farm)
    before = now - older_than_days * DAY_MS
    needed = _needed(farm)
    removed = removed_bytes = kept = 0
    some: list[ObjectHead] = []
    for head in _objects(farm):
        if not may_go(head, before, needed):
            kept += 1
            continue
        some.append(head)
        if len(some) == DOOMED_AT_ONCE:
            gone = some if dry_run else remove(farm, some, before)
            removed, removed_bytes = removed + len(gone), removed_bytes + sum(one.size for one in gone)
            kept, some = kept + DOOMED_AT_ONCE - len(gone), []
    gone = some if dry_run else remove(farm, some, before)
    sizes = sum(one.size for one in gone)
    return Pruned(removed + len(gone), removed_bytes + sizes, kept + len(some) - len(gone), complete=True)


def require_todays_form(farm: Farm) -> None:
    """Raises Unavailable while what an older version wrote does not stand in the lists yet that are looked through."""
    upgrading.advance(farm)
    if upgrading.is_needed(farm.table):
        raise Unavailable("the farm is still being brought to the form of this version; try again in a few minutes")


def check_days(older_than_days: int) -> None:
    if not 1 <= older_than_days <= 3650:
        raise BadInput(f"older_than_days must be 1 to 3650, not {older_than_days}", field="older_than_days")


def may_go(head: ObjectHead, before: int, needed: Container[str]) -> bool:
    digest = head.key.removeprefix(PREFIX)
    return head.modified_at < before and head.size <= LARGEST_TOUCHED and digest not in needed


def _objects(farm: Farm) -> Iterator[ObjectHead]:
    after = ""
    while heads := farm.objects.list(PREFIX, after=after):
        yield from heads
        after = heads[-1].key


def remove(farm: Farm, heads: Sequence[ObjectHead], before: int) -> list[ObjectHead]:
    """Those that went. Dies half way: the rest is doomed until that is forgotten, and another pass removes it."""
    if not heads:
        return []
    by, doomed_at = farm.random.getrandbits(48), farm.clock.now()
    if not farm.blobs.doom([head.key.removeprefix(PREFIX) for head in heads], by, doomed_at, DOOMED_MS):
        raise Conflict("another process prunes; wait until it is through")
    gone = []
    for head in heads:
        if farm.clock.now() - doomed_at > DOOMED_MS // 2:
            break  # frozen meanwhile: soon nobody will believe in the doom any more
        found = farm.objects.head(head.key)
        if found is not None and found.modified_at < before:
            farm.objects.delete(head.key)
            gone.append(head)
    farm.blobs.undoom(by)
    return gone


# ---- what is needed --------------------------------------------------------------------------------------------------


def _needed(farm: Farm) -> set[str]:
    """Digests."""
    digests: set[str] = set()
    ids: set[BlobId] = set()
    listed: set[BlobId] = set()
    for job in _jobs(farm):
        named, manifests_named = _named_by(farm, job)
        ids, listed = ids | named, listed | manifests_named
        for step in farm.jobs.steps(job.id):
            for task in tasks_of(farm, step):
                digests |= {output.sha256 for output in task.outputs}
                ids |= {given.blob for given in task.work.inputs}
    return digests | _digests_of(farm, ids | _named_by_rooms(farm), listed)


def named_by(farm: Farm, job: Job) -> set[str]:
    """The digests of what a job's settings and annotations name, with all files of its manifests."""
    return _digests_of(farm, *_named_by(farm, job))


def used_by(farm: Farm, tasks: Iterable[Task]) -> set[str]:
    """The digests of what these tasks read and made."""
    found = list(tasks)
    made = {output.sha256 for task in found for output in task.outputs}
    return made | _digests_of(farm, {given.blob for task in found for given in task.work.inputs}, set())


def named_by_rooms(farm: Farm) -> set[str]:
    """The digests of what functions and the notes of rooms name."""
    return _digests_of(farm, _named_by_rooms(farm), set())


def _named_by_rooms(farm: Farm) -> set[BlobId]:
    numbers = (number for fields in all_notes(farm.table) for number in _numbers(fields))
    return {*numbers, *farm.functions.all_codes()}


def _digests_of(farm: Farm, ids: set[BlobId], listed: set[BlobId]) -> set[str]:
    """`listed`: those that are manifests, whose objects are needed too."""
    from . import manifests  # here: who sweeps collects nothing, and starts faster without pydantic

    digests = {blob.sha256 for blob in _blobs(farm, ids | listed)}
    for blob in _blobs(farm, listed):
        try:
            digests |= {sha256 for sha256, _ in manifests.read(farm, blob).objects}
        except ObjectMissing:
            continue  # gone before us: what it listed cannot be known, and its job cannot run
        except ValueError as error:
            raise Conflict(f"blob {blob.id} should be a manifest, but is {error}; nothing was removed") from None
    return digests


def _jobs(farm: Farm) -> Iterator[Job]:
    cursor: str | None = None
    while True:
        page, cursor = farm.jobs.page(None, 100, cursor)
        yield from page
        if cursor is None:
            return


def _named_by(farm: Farm, job: Job) -> tuple[set[BlobId], set[BlobId]]:
    """All blobs that it names, and those of them that are manifests."""
    try:
        settings = farm.plans.settings(job)
        kind = farm.job_types[job.type]
        named = kind.blobs(kind.settings.model_validate(settings))
    except (ObjectMissing, KeyError, ValueError) as error:  # pydantic's are ValueErrors
        if farm.jobs.get(job.id) is None:
            return set(), set()  # deleted since it was listed, with what it kept
        text = f"job {job.id} cannot be read, so what it needs is not known; delete it first. Nothing was removed"
        raise Conflict(text) from error
    listed: set[BlobId] = {blob for blob in named.values() if isinstance(blob, ManifestId)}
    return {*named.values(), *_numbers(settings), *_numbers(job.annotations)}, listed


def _numbers(value: Any) -> Iterator[int]:
    """All whole numbers in it that may be ids, also where they are written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    if isinstance(value, int) and value >= SMALLEST_ID:
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _numbers(one)


def _blobs(farm: Farm, ids: set[BlobId]) -> Iterator[Blob]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), LOOKED_UP):
        yield from farm.blobs.get_many(ordered[start : start + LOOKED_UP]).values()
