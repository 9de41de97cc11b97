"""The log of a task as this protocol has it: text that is appended, a new one for each attempt, read as a whole.

Workers of this protocol do not count bytes, so a chunk goes where the log ends. They send one update at a time; an
update that is repeated because its answer got lost leaves its lines twice.
"""

from __future__ import annotations

from ...core import logs
from ...core.farm import Farm
from ...core.model import Task, Worker
from . import translate

WHOLE_BYTES = 15 * 1024
HEAD_BYTES = 5 * 1024
TAIL_BYTES = 10 * 1024


def append(farm: Farm, task: Task, text: str) -> None:
    """To the current attempt, or the last one; a task that was never begun has no log."""
    holder, generation = translate.holder_of(task), translate.generation_of(task)
    if not text or holder is None or generation is None:
        return
    data = (text if text.endswith("\n") else text + "\n").encode("utf-8", "replace")
    offset, most = logs.end(farm, task, generation), farm.limits.log_chunk_bytes
    for start in range(0, len(data), most):
        offset = logs.append(farm, task, holder, generation, offset, data[start : start + most])


def note_assigned(farm: Farm, task: Task, text: str) -> None:
    append(farm, task, translate.log_line(farm.clock.now(), text))


def note_requeued(farm: Farm, task: Task, worker: Worker, why: str) -> None:
    who = translate.identifier(worker.address, worker.name)
    line = f"Re-queued task after unassigning from worker {who}: {why}"
    append(farm, task, translate.log_line(farm.clock.now(), line))


def read(farm: Farm, task: Task, *, whole: bool) -> bytes | None:
    """The current attempt's log, or the last one's. Not `whole`: of a large one only the beginning and the end.
    None when there is none."""
    generation = translate.generation_of(task)
    size = logs.end(farm, task, generation) if generation is not None else 0
    if size == 0:
        return None
    if whole or size < WHOLE_BYTES:
        return _read(farm, task, 0, size)
    head, tail = _read(farm, task, 0, HEAD_BYTES), _read(farm, task, size - TAIL_BYTES, size)
    tail = tail[tail.find(b"\n") + 1 :]
    left_out = (size - len(head) - len(tail)) / 1024
    note = f"\n[... {left_out:.1f} KiB left out here; wget and curl get everything ...]\n"
    return head + note.encode() + tail


def _read(farm: Farm, task: Task, start: int, end: int) -> bytes:
    found = b""
    while start + len(found) < end:
        part = logs.read(farm, task, None, start + len(found))
        if not part.data:
            break
        found += part.data
    return found[: end - start]
