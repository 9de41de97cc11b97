"""Access patterns of workers."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Worker, WorkerId
from ..ports import Absent, Change, ConditionFailed, Exists, Key, Put, Table, Update
from . import items, keys
from .paging import pages


class WorkerRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, worker_id: WorkerId) -> Worker | None:
        item = self._table.get(keys.worker(worker_id))
        return None if item is None else items.worker_from(item)

    def add(self, worker: Worker) -> None:
        self._table.write(Put(items.worker_item(worker), (Absent(),)))

    def change(self, worker_id: WorkerId, *changes: Change) -> Worker | None:
        """The worker as it is then, or None if there is none."""
        try:
            return items.worker_from(self._table.update(Update(keys.worker(worker_id), changes, (Exists(),))))
        except ConditionFailed:
            return None

    def page(self, limit: int, cursor: str | None) -> tuple[list[Worker], str | None]:
        """Newest first. A bad cursor raises ValueError."""
        pk = keys.listing_pk("workers")
        page = self._table.query(pk, index="listing", descending=True, limit=limit, cursor=cursor)
        found = self._table.get_many([Key(entry["pk"], entry["sk"]) for entry in page.items])
        return [items.worker_from(item) for item in found if item is not None], page.cursor

    def all(self) -> Iterator[Worker]:
        entries = [Key(i["pk"], i["sk"]) for i in pages(self._table, keys.listing_pk("workers"), index="listing")]
        for item in self._table.get_many(entries):
            if item is not None:
                yield items.worker_from(item)
