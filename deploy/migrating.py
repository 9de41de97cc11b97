"""`./millrace migrate`: what an embedded farm keeps, copied up to a farm on AWS that has no jobs yet.

The farm above is awake meanwhile, so the order matters: whatever settles a job begins with the job's item, and what
ends a lease needs the job. Objects first, then all other items, then the lanes, by which workers find tasks, then
jobs, then tasks that somebody holds. Each is put if it is absent: a copy that broke off is simply run again, and what
the farm above has done with it meanwhile stays. Nothing below is changed.
"""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from chalicelib.bootstrap import embedded_farm
from chalicelib.config import Settings
from chalicelib.core.farm import Farm
from chalicelib.core.ports import Absent, ConditionFailed, Item, Key, ObjectStore, Put
from chalicelib.core.records import keys
from chalicelib.embedded.election import Election
from chalicelib.store.rows import decode_body
from chalicelib.store.sqlite import SqliteTable

from .errors import DeployFailed, WrongUse
from .stack import Tell

T = TypeVar("T")

AT_ONCE = 16
PAGE = 1000
STEPS = 4


def migrate(data: Path, above: Farm, tell: Tell) -> None:
    """Copy everything and look whether it is there. Raises DeployFailed, with nothing lost, when it cannot go on."""
    if not (data / "farm.db").is_file():
        raise WrongUse(f"{data} is no data folder of a farm: there is no farm.db in it")
    election = Election(data / "elected.lock", lambda: None, lambda: None)
    election.start()
    try:
        if not election.is_elected:
            raise DeployFailed(f"a farm is running on {data}; stop it first, so that nothing changes on the way")
        below = embedded_farm(Settings(data=data))
        assert isinstance(below.table, SqliteTable)
        try:
            _copy(data, below, above, tell)
        finally:
            below.table.close()
    finally:
        election.stop()


def _copy(data: Path, below: Farm, above: Farm, tell: Tell) -> None:
    _claim(above, hashlib.sha256((data / "secret").read_bytes()).hexdigest())
    copied = _in_parallel(lambda key: _copy_object(below.objects, above.objects, key), _object_keys(below.objects))
    objects = sum(copied)
    tell(f"Copied {objects} objects.")
    items = sum(sum(_in_parallel(lambda item: _copy_item(above, item), batch)) for batch in _in_order(data))
    tell(f"Copied {items} items.")
    missing = [key for key in _object_keys(below.objects) if above.objects.head(key) is None]
    missing += [f"{key.pk} {key.sk}" for key in _missing_items(data, above)]
    if missing:
        raise DeployFailed(f"{len(missing)} things are not there, such as {missing[0]!r}; run it again")
    tell("Everything is there.")


def _claim(above: Farm, source: str) -> None:
    """Ids of two farms may be the same, so the farm above is this one's from its first job on."""
    key = keys.migrated_from()
    marker = above.table.get(key)
    if marker is None:
        if above.jobs.page(None, 1, None)[0]:
            raise DeployFailed("the farm on AWS has jobs of its own already; migrate into a stage that has none")
        above.table.write(Put({"pk": key.pk, "sk": key.sk, "source": source}, (Absent(),)))
    elif marker["source"] != source:
        raise DeployFailed("the farm on AWS was filled from another farm's data already")


# ---- objects -------------------------------------------------------------------------------------------------------


def _object_keys(objects: ObjectStore) -> Iterator[str]:
    after = ""
    while page := objects.list("", after=after, limit=PAGE):
        yield from (head.key for head in page)
        after = page[-1].key


def _copy_object(below: ObjectStore, above: ObjectStore, key: str) -> bool:
    """False if it is there already, or was deleted while we looked."""
    here, there = below.head(key), above.head(key)
    chunks = below.open(key)
    if here is None or chunks is None or (there is not None and there.size == here.size):
        return False
    digest = key.removeprefix("blobs/") if key.startswith("blobs/") else None
    above.put_stream(key, io.BufferedReader(_Chunks(chunks)), size=here.size, sha256=digest)
    return True


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        self._rest = self._rest or next(self._chunks, b"")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


# ---- items ---------------------------------------------------------------------------------------------------------


def _items(data: Path) -> Iterator[Item]:
    connection = sqlite3.connect(f"file:{data / 'farm.db'}?mode=ro", uri=True)
    try:
        for (body,) in connection.execute("SELECT body FROM items ORDER BY pk, sk"):
            yield decode_body(body)
    finally:
        connection.close()


def _in_order(data: Path) -> Iterator[Iterator[Item]]:
    for step in range(STEPS):
        yield (item for item in _items(data) if _step(item) == step)


def _step(item: Item) -> int:
    if "due_pk" in item:
        return 3
    if item["sk"] == "JOB":
        return 2
    return 1 if item["pk"] == keys.LANES else 0


def _copy_item(above: Farm, item: Item) -> bool:
    """False if it is there already."""
    try:
        above.table.write(Put(item, (Absent(),)))
        return True
    except ConditionFailed:
        return False


def _missing_items(data: Path, above: Farm) -> Iterator[Key]:
    wanted = (Key(item["pk"], item["sk"]) for item in _items(data) if _stays(item, above.clock.now() // 1000))
    while page := list(islice(wanted, PAGE)):
        found = above.table.get_many(page)
        yield from (key for key, item in zip(page, found, strict=True) if item is None)


def _stays(item: Item, now: int) -> bool:
    """The farm above, awake, forgets lanes, turns windows, and lets go what has had its time."""
    moves = item["pk"] == keys.LANES or item["pk"].startswith(keys.WINDOWS_PREFIX)
    return not moves and int(item.get("expires_at", now + 1)) > now


def _in_parallel(work: Callable[[T], bool], things: Iterable[T]) -> Iterator[bool]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        things = iter(things)
        while page := list(islice(things, PAGE)):
            yield from pool.map(work, page)
