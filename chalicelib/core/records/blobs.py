"""Access patterns of blobs and functions: written once, read by id."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Blob, BlobId, Function, FunctionId
from ..ports import Absent, Put, Table
from . import keys, worker_items

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
        self._table.write(Put(worker_items.blob_item(blob), (Absent(),)))


class FunctionRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, function_id: FunctionId) -> Function | None:
        item = self._table.get(keys.function(function_id))
        return None if item is None else worker_items.function_from(item)

    def add(self, function: Function) -> None:
        self._table.write(Put(worker_items.function_item(function), (Absent(),)))
