"""Between the farm's words and those of the transcode protocol: pure functions, no table, no clock.

`JOB_STATES` is total: a status that the core gains must get a number here before the tests pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum

from ...compilers.fields import is_path
from ...compilers.transcode_settings import TranscodeSettings
from ...core.errors import BadInput, NotFound
from ...core.ids import EPOCH_SECONDS, LARGEST, PER_SECOND, SEQUENCE_BITS
from ...core.jobs import Submission
from ...core.lifecycle import JobStatus, Outcome
from ...core.model import Job, JobId
from .wire import NewJob

ROOM = "transcode"
"""Under this key a job's annotations hold what only this protocol wants to know of it."""
JOB_TYPE = "transcode"
TASK_SECONDS = 60
"""The longest piece that one worker gets."""
MOST_SHARES = 1000
"""In so many pieces, all segments together, work is shared out at most; long segments make more."""
OK, FAILURE = 0, -1


class State(IntEnum):
    """Of jobs and tasks. There is none for failed or canceled: that is COMPLETED with result -1."""

    INIT = 0
    READY = 1
    IN_PROGRESS = 2
    COMPLETED = 3


JOB_STATES: Mapping[JobStatus, tuple[State, int]] = {
    JobStatus.COMPILING: (State.INIT, OK),
    JobStatus.QUEUED: (State.READY, OK),
    JobStatus.ACTIVE: (State.IN_PROGRESS, OK),
    JobStatus.PAUSED: (State.READY, OK),
    JobStatus.COMPLETED: (State.COMPLETED, OK),
    JobStatus.FAILED: (State.COMPLETED, FAILURE),
    JobStatus.CANCELED: (State.COMPLETED, FAILURE),
}


def outcome_of(state: int, result: int) -> Outcome | None:
    """What a worker's word makes of an attempt; None: it goes on. Ready with a failure is a task that was canceled."""
    if state == State.COMPLETED:
        return Outcome.COMPLETED if result == OK else Outcome.FAILED
    return Outcome.RELEASED if state == State.READY and result != OK else None


# ---- ids -----------------------------------------------------------------------------------------------------------

_JOB = re.compile(r"(\d{10,11})\.(\d{2,7})")
_TASK = re.compile(r"([\d.]{1,20})---segment(\d{1,6})---task(\d{1,6})")


def job_text(job_id: JobId) -> str:
    """`1714560000.25`: when it was created, and its number within that second; two digits, more when it needs them."""
    return f"{(job_id >> SEQUENCE_BITS) + EPOCH_SECONDS}.{job_id % PER_SECOND:02d}"


def job_number(text: str) -> JobId:
    """The id in a text that `job_text` made. Anything else names no job: NotFound."""
    match = _JOB.fullmatch(text)
    if match is not None:
        number = ((int(match[1]) - EPOCH_SECONDS) << SEQUENCE_BITS) + int(match[2])
        if 0 < number <= LARGEST and int(match[2]) < PER_SECOND and job_text(number) == text:
            return number
    raise NotFound(f"no such job: {text[:60]!r}")


def task_text(job_id: JobId, settings: TranscodeSettings, index: int) -> str:
    """`1714560000.25---segment0---task1` for a task of the job's first step."""
    segment = 0
    for count in _tasks_per_segment(settings):
        if index < count:
            return f"{job_text(job_id)}---segment{segment}---task{index}"
        index, segment = index - count, segment + 1
    raise ValueError(f"the job has no task {index}")


def task_parts(text: str) -> tuple[JobId, int, int]:
    """Job, segment and task of a task's id. Raises NotFound."""
    match = _TASK.fullmatch(text)
    if match is None:
        raise NotFound(f"no such task: {text[:80]!r}")
    return job_number(match[1]), int(match[2]), int(match[3])


def task_index(settings: TranscodeSettings, segment: int, task: int) -> int:
    """Where in the first step that task stands. Raises NotFound."""
    counts = _tasks_per_segment(settings)
    if segment >= len(counts) or task >= counts[segment]:
        raise NotFound(f"the job has no task {task} in segment {segment}")
    return sum(counts[:segment]) + task


def _tasks_per_segment(settings: TranscodeSettings) -> list[int]:
    return [1] if settings.segments is None else [len(pieces) for pieces in settings.pieces()]


def can_be_pushed(settings: TranscodeSettings) -> bool:
    """Whether the tasks of its first step are this protocol's: between paths."""
    return settings.whole_file or settings.pieces_path is not None


# ---- new jobs ------------------------------------------------------------------------------------------------------


def submission(wanted: NewJob, recordings: str, num_workers: int, token: str) -> Submission:
    """`recordings`: where relative names of sources lie; empty: in the job's `dst_dir`. `token`: makes the folder of
    its pieces its own. Raises BadInput."""
    if not is_path(wanted.dst_dir):
        raise BadInput("dst_dir must be an absolute path on shared storage", field="dst_dir")
    folder = recordings or wanted.dst_dir
    name = base_name(wanted.src_filename)
    settings: dict[str, object] = {
        "input": _resolved(folder, wanted.src_filename),
        "format": wanted.dst_format,
        "output_path": joined(wanted.dst_dir, f"{name}.{wanted.dst_format}"),
        **_parts(wanted, name, num_workers, token),
    }
    if wanted.map_filename:
        settings["map_path"] = _resolved(folder, wanted.map_filename)
    noted = wanted.model_dump(include={"src_filename", "dst_dir", "map_filename", "src_file_id", "map_file_id"})
    return Submission(_printable(name), JOB_TYPE, settings, annotations={ROOM: noted})


def _parts(wanted: NewJob, name: str, num_workers: int, token: str) -> dict[str, object]:
    if not wanted.segments:
        return {"whole_file": True}
    segments = wanted.segments.split(":")
    for segment in segments:
        _check(segment)
    return {
        "segments": wanted.segments,
        "segment_seconds": TASK_SECONDS,
        "segment_parts": max(1, min(num_workers, MOST_SHARES // len(segments))),
        "pieces_path": joined(wanted.dst_dir, f".{name}.{token}.pieces"),
    }


def _check(segment: str) -> None:
    match = re.fullmatch(r"(\d{1,7})-(\d{1,7})", segment)
    if match is None or int(match[1]) >= int(match[2]):
        raise BadInput(
            f"segments: {segment[:40]!r} is not from-to in whole seconds with from before to", field="segments"
        )


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:200]


def base_name(path: str) -> str:
    """The last part of a path of Unix or Windows. Raises BadInput when that is no file's name."""
    name = re.split(r"[/\\]", path)[-1]
    if name in ("", ".", "..") or len(name) > 200:
        raise BadInput(f"{path[:80]!r} names no file", field="src_filename")
    return name


def _resolved(folder: str, name: str) -> str:
    return name if is_path(name) else joined(folder, name)


def joined(folder: str, name: str) -> str:
    separator = "/" if "/" in folder or "\\" not in folder else "\\"
    return folder + name if folder.endswith(("/", "\\")) else folder + separator + name


def folder_of(path: str) -> str:
    """With its separator at the end; empty for a bare name."""
    return path[: max(path.rfind("/"), path.rfind("\\")) + 1]


def is_shown(job: Job) -> bool:
    """Whether this protocol knows of the job: others' jobs of the same type too, but none that was removed."""
    return job.type == JOB_TYPE and not job.annotations.get(ROOM, {}).get("removed", False)


def mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares) if shares else 0.0
