"""The picture that a job rendered last, in a few sizes, and which job that was last on the farm.

A worker makes small JPEGs of what a task gave, and sends them after the task (`docs/native-protocol.md`). The newest
one takes the place of the one before, whose objects go, so a job keeps one picture, however many frames it has; with
the job the rest goes. Nothing depends on a picture: who dies between the writes leaves at most a few objects in the
job's folder. Cost: two reads, a transaction of three, and an object for each size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import compiling, logs
from .errors import BadInput, NotFound
from .farm import Farm
from .model import JobId, Task, TaskId, WorkerId
from .ports import Check, ConditionFailed, Exists, Item, Key, Missing, Put
from .records import keys
from .records.job_items import HIDDEN

MOST_BYTES = 1_000_000
"""Of one size; all of them go through a call of 4 MB."""
MOST_SIZES = 3
LARGEST_SIDE = 4_096
TOPIC = "last-rendered"


@dataclass(frozen=True)
class Size:
    width: int
    height: int
    key: str


@dataclass(frozen=True)
class Picture:
    job: JobId
    task: TaskId
    task_name: str
    worker: WorkerId
    name: str
    """Of the file that it shows."""
    at: int
    sizes: tuple[Size, ...]
    """The smallest first."""


@dataclass(frozen=True)
class Jpeg:
    width: int
    height: int
    data: bytes


def note(farm: Farm, worker_id: WorkerId, task: Task, generation: int, name: str, jpegs: Sequence[Jpeg]) -> None:
    """Keep what this attempt rendered as the job's last picture. Raises BadInput, LeaseLost for who has no such
    attempt, NotFound for a job that is gone."""
    logs.check_writer(task, worker_id, generation)
    _check(jpegs)
    before, at = of_job(farm, task.job), farm.clock.now()
    sizes = [Size(one.width, one.height, _key(task, at, one)) for one in sorted(jpegs, key=lambda one: one.width)]
    for size, jpeg in zip(sizes, sorted(jpegs, key=lambda one: one.width), strict=True):
        farm.objects.put(size.key, jpeg.data)
    picture = Picture(task.job, task.id, task.name, worker_id, name, at, tuple(sizes))
    try:
        farm.table.write(
            Check(keys.job(task.job), (Exists(), Missing(HIDDEN))),
            Put(_item(keys.job_picture(task.job), picture)),
            Put(_item(keys.farm_picture(), picture)),
        )
    except ConditionFailed:
        for size in sizes:
            farm.objects.delete(size.key)
        raise NotFound(f"no such job: {task.job}") from None
    for size in before.sizes if before is not None else ():
        farm.objects.delete(size.key)
    farm.bell.ring(TOPIC, times=None)


def _check(jpegs: Sequence[Jpeg]) -> None:
    if not 1 <= len(jpegs) <= MOST_SIZES or len({one.width for one in jpegs}) < len(jpegs):
        raise BadInput(f"1 to {MOST_SIZES} pictures of different widths are taken", field="pictures")
    for one in jpegs:
        if not (1 <= one.width <= LARGEST_SIDE and 1 <= one.height <= LARGEST_SIDE):
            raise BadInput(f"each side has 1 to {LARGEST_SIDE:,} pixels", field="pictures")
        if not one.data.startswith(b"\xff\xd8\xff") or len(one.data) > MOST_BYTES:
            raise BadInput(f"each picture must be a JPEG of at most {MOST_BYTES:,} bytes", field="pictures")


def of_job(farm: Farm, job_id: JobId) -> Picture | None:
    item = farm.table.get(keys.job_picture(job_id))
    return None if item is None else _picture(item)


def of_farm(farm: Farm) -> Picture | None:
    """The newest of all jobs; None also when the job that it was of is gone."""
    item = farm.table.get(keys.farm_picture())
    return None if item is None else of_job(farm, item["job"])


def image(farm: Farm, picture: Picture, width: int) -> bytes:
    """The smallest that is at least so wide, or the largest. Raises NotFound when another has just taken its place."""
    wide_enough = (size for size in picture.sizes if size.width >= width)
    data = farm.objects.get(next(wide_enough, picture.sizes[-1]).key)
    if data is None:
        raise NotFound("no such picture any more: ask which is the last one")
    return data


def _key(task: Task, at: int, jpeg: Jpeg) -> str:
    return f"{compiling.job_folder(task.job)}pictures/{at}-{task.id}-{jpeg.width}.jpg"


def _item(key: Key, picture: Picture) -> dict[str, object]:
    fields = {"job": picture.job, "task": picture.task, "task_name": picture.task_name, "worker": picture.worker}
    sizes = [{"width": size.width, "height": size.height, "key": size.key} for size in picture.sizes]
    return {"pk": key.pk, "sk": key.sk, **fields, "name": picture.name, "at": picture.at, "sizes": sizes}


def _picture(item: Item) -> Picture:
    sizes = tuple(Size(one["width"], one["height"], one["key"]) for one in item["sizes"])
    return Picture(item["job"], item["task"], item["task_name"], item["worker"], item["name"], item["at"], sizes)
