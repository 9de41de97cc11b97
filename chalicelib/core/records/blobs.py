"""Access patterns of blobs and functions: written once, read by id."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from ..model import Blob, BlobId, Function, FunctionId
from ..ports import Absent, AtMost, ConditionFailed, Delete, Equals, Key, Put, Table
from . import keys, worker_items
from .fresh import put_fresh
from .paging import pages

KEPT_BLOBS = 10_000


class BlobRecords:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._memory: dict[BlobId, Blob] = {}

    def get(self, blob_id: BlobId) -> Blob | None:
        item = self._table.get(keys.blob(blob_id))
        return None if item is None else worker_items.blob_from(item)

    def get_many(self, blob_ids: Sequence[BlobId]) -> dict[BlobId, Blob]:
        found = self._table.get_many([keys.blob(blob_id) for blob_id in blob_ids])
        return {item["id"]: worker_items.blob_from(item) for item in found if item is not None}

    def remembered(self, blob_ids: Sequence[BlobId]) -> dict[BlobId, Blob]:
        """As `get_many`, but asks the table only once for each: what a blob's id names never changes."""
        wanted = {blob_id: blob for blob_id in blob_ids if (blob := self._memory.get(blob_id)) is not None}
        if len(wanted) < len(blob_ids):
            wanted |= self.get_many([blob_id for blob_id in blob_ids if blob_id not in wanted])
            if len(self._memory) > KEPT_BLOBS:
                self._memory.clear()
            self._memory.update(wanted)
        return wanted

    def add(self, blob: Blob) -> None:
        put_fresh(self._table, Put(worker_items.blob_item(blob), (Absent(),)))

    # ---- content about to be removed ----

    def doom(self, digests: Sequence[str], by: int, now: int, forgotten_ms: int) -> bool:
        """Say that this content is about to be removed. False: another process is at it. Of one that died the word
        holds until it is `forgotten_ms` old.

        `by`: a number that nobody else has. So who is refused by its own word, as the table's client has repeated the
        write since its answer was lost, knows it for its own; also beside another who says the same at the same moment.
        """
        key = keys.doomed()
        item = {"pk": key.pk, "sk": key.sk, "digests": list(digests), "at": now, "by": by}
        for free in (Absent(), AtMost("at", now - forgotten_ms)):
            try:
                self._table.write(Put(item, (free,)))
            except ConditionFailed as failed:
                if failed.item == item:
                    return True
                continue
            return True
        return False

    def undoom(self, by: int) -> None:
        with contextlib.suppress(ConditionFailed):
            self._table.write(Delete(keys.doomed(), (Equals("by", by),)))

    def doomed(self, since: int) -> frozenset[str]:
        """Digests of what is about to be removed, as said since then."""
        item = self._table.get(keys.doomed())
        return frozenset(item["digests"]) if item is not None and item["at"] >= since else frozenset()


class FunctionRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, function_id: FunctionId) -> Function | None:
        item = self._table.get(keys.function(function_id))
        return None if item is None else worker_items.function_from(item)

    def add(self, function: Function) -> None:
        put_fresh(self._table, Put(worker_items.function_item(function), (Absent(),)))

    def all_codes(self) -> Iterator[BlobId]:
        """The code of every function; of one made a moment ago it may be missing where indexes lag."""
        for entry in pages(self._table, keys.listing_pk("functions"), index="listing"):
            item = self._table.get(Key(entry["pk"], entry["sk"]))
            if item is not None:
                yield item["code"]
