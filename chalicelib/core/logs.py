"""Task logs: chunks in the object store, one after the other, under `logs/<task>/<generation>/<offset>`.

A chunk's key is where it starts, so storing one twice stores it once, and a reader needs no index. The bytes of an
attempt are whatever its chunks say in order; a gap (a chunk that is still in a worker's outbox) ends the log for now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from .errors import BadInput, LeaseLost, NotFound
from .farm import Farm
from .model import Task, WorkerId
from .ports import ObjectHead, SignedRequest

READ_BYTES = 1_000_000
PAGE_CHUNKS = 1000
UPLOAD_SECONDS = 900


class Part(NamedTuple):
    data: bytes
    next_offset: int


def _prefix(task_id: int, generation: int) -> str:
    return f"logs/{task_id}/{generation:06d}/"


def append(farm: Farm, task: Task, worker_id: WorkerId, generation: int, offset: int, data: bytes) -> int:
    """Store a chunk of this worker's attempt, also after the attempt has ended; gives the next offset."""
    check_writer(task, worker_id, generation)
    if len(data) > farm.limits.log_chunk_bytes:
        raise BadInput(f"a chunk has at most {farm.limits.log_chunk_bytes} bytes, not {len(data)}", field="text")
    if data:
        farm.objects.put(_key(task, generation, offset), data)
        farm.bell.ring(f"log/{task.id}", times=None)
    return offset + len(data)


def sign_append(
    farm: Farm, task: Task, worker_id: WorkerId, generation: int, offset: int, size: int, sha256: str
) -> SignedRequest:
    """The request that stores a larger chunk past this process."""
    check_writer(task, worker_id, generation)
    return farm.objects.sign_upload(_key(task, generation, offset), size=size, sha256=sha256, seconds=UPLOAD_SECONDS)


def read(farm: Farm, task: Task, attempt: int | None, offset: int) -> Part:
    """From `offset` on, up to a megabyte; empty when there is nothing (yet). The last attempt if none is named."""
    generation = _generation(task, attempt)
    if generation is None:
        return Part(b"", 0)
    wanted, found = offset, b""
    prefix = _prefix(task.id, generation)
    for head in _chunks(farm, prefix):
        start = int(head.key.removeprefix(prefix))
        if start + head.size <= wanted:
            continue
        if start > wanted or len(found) >= READ_BYTES:
            break
        piece = b"".join(farm.objects.open(head.key, offset=wanted - start) or ())[: READ_BYTES - len(found)]
        found, wanted = found + piece, wanted + len(piece)
    return Part(found, wanted)


def newest_attempt(task: Task) -> int | None:
    """The number of the running or else the last attempt; None before the first."""
    if task.lease is not None:
        return task.attempts[-1].number + 1 if task.attempts else 1
    return task.attempts[-1].number if task.attempts else None


def stream(farm: Farm, task: Task, attempt: int) -> Iterator[bytes]:
    """All of an attempt's log, as far as it has come, in pieces. Raises NotFound for an attempt that there is not."""
    generation = _generation(task, attempt)
    prefix, wanted = _prefix(task.id, generation or 0), 0
    for head in _chunks(farm, prefix):
        start = int(head.key.removeprefix(prefix))
        if start > wanted:
            return
        if start + head.size > wanted:
            yield from farm.objects.open(head.key, offset=wanted - start) or ()
            wanted = start + head.size


def remove(farm: Farm, first: int, last: int) -> None:
    """Of all attempts of the tasks with ids in [first, last]. May be repeated.

    Neighbours' keys stand together, so a hundred tasks cost one list and not a hundred.
    """
    in_order = len(str(first)) == len(str(last))
    prefix = f"logs/{os.path.commonprefix([str(first), str(last)])}"
    after = f"logs/{first}" if in_order else ""
    while page := farm.objects.list(prefix, after=after, limit=PAGE_CHUNKS):
        for head in page:
            task = int(head.key.split("/")[1])
            if first <= task <= last:
                farm.objects.delete(head.key)
            elif in_order and task > last and len(str(task)) == len(str(last)):
                return
        after = page[-1].key


def end(farm: Farm, task: Task, generation: int) -> int:
    """Where the log of that attempt goes on, for writers that do not count for themselves."""
    prefix = _prefix(task.id, generation)
    ends = (int(head.key.removeprefix(prefix)) + head.size for head in _chunks(farm, prefix))
    return max(ends, default=0)


def _chunks(farm: Farm, prefix: str) -> Iterator[ObjectHead]:
    """In order of their offset."""
    after = ""
    while page := farm.objects.list(prefix, after=after, limit=PAGE_CHUNKS):
        yield from page
        after = page[-1].key


def _key(task: Task, generation: int, offset: int) -> str:
    if offset < 0:
        raise BadInput("offset counts bytes from 0", field="offset")
    return f"{_prefix(task.id, generation)}{offset:016d}"


def check_writer(task: Task, worker_id: WorkerId, generation: int) -> None:
    """Raises LeaseLost unless that attempt is this worker's, also after it has ended."""
    lease = task.lease
    if lease is not None and (lease.generation, lease.worker) == (generation, worker_id):
        return
    if not any((a.generation, a.worker) == (generation, worker_id) for a in task.attempts):
        raise LeaseLost(f"task {task.id} has no attempt of this worker at generation {generation}")


def _generation(task: Task, attempt: int | None) -> int | None:
    """The generation of an attempt's number; of the running or else the last attempt for None."""
    running = task.attempts[-1].number + 1 if task.attempts else 1
    if task.lease is not None and attempt in (None, running):
        return task.lease.generation
    if attempt is None:
        return task.attempts[-1].generation if task.attempts else None
    for ended in task.attempts:
        if ended.number == attempt:
            return ended.generation
    raise NotFound(f"task {task.id} has no attempt {attempt}")
