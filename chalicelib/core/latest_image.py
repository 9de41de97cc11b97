"""The image that a worker wrote last, as far as it said so: a path on the worker's own file system, not its bytes."""

from __future__ import annotations

from dataclasses import dataclass

from .farm import Farm
from .model import WorkerId
from .ports import Put
from .records import keys

LONGEST_PATH = 4096
TOPIC = "latest-image"
LOOK_EVERY_SECONDS = 1.0
"""A ring that nobody could hear, as from another process, costs no more than this."""


@dataclass(frozen=True)
class Image:
    path: str
    worker: WorkerId
    at: int


def note(farm: Farm, worker_id: WorkerId, path: str) -> None:
    key = keys.latest_image()
    fields = {"path": path[:LONGEST_PATH], "worker": worker_id, "at": farm.clock.now()}
    farm.table.write(Put({"pk": key.pk, "sk": key.sk} | fields))
    farm.bell.ring(TOPIC, times=None)


def latest(farm: Farm) -> Image | None:
    item = farm.table.get(keys.latest_image())
    return None if item is None else Image(item["path"], item["worker"], item["at"])


def newer(farm: Farm, than_at: int, seconds: float) -> Image | None:
    """The latest image, as soon as there is one that was noted after `than_at`; None when the time is over. A read a
    second. Listens before each look, so that no ring between look and wait is lost."""
    end_at = farm.clock.now() + int(min(seconds, farm.limits.wait_seconds) * 1000)
    with farm.bell.waiter([TOPIC]) as waiter:
        while True:
            image, left = latest(farm), (end_at - farm.clock.now()) / 1000
            if image is not None and image.at > than_at:
                return image
            if left <= 0:
                return None
            if waiter.wait(min(left, LOOK_EVERY_SECONDS)):
                waiter.used()
