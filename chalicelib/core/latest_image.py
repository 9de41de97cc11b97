"""The image that a worker wrote last, as far as it said so: a path on the worker's own file system, not its bytes."""

from __future__ import annotations

from dataclasses import dataclass

from .farm import Farm
from .model import WorkerId
from .ports import Put
from .records import keys

LONGEST_PATH = 4096


@dataclass(frozen=True)
class Image:
    path: str
    worker: WorkerId
    at: int


def note(farm: Farm, worker_id: WorkerId, path: str) -> None:
    key = keys.latest_image()
    fields = {"path": path[:LONGEST_PATH], "worker": worker_id, "at": farm.clock.now()}
    farm.table.write(Put({"pk": key.pk, "sk": key.sk} | fields))


def latest(farm: Farm) -> Image | None:
    item = farm.table.get(keys.latest_image())
    return None if item is None else Image(item["path"], item["worker"], item["at"])
