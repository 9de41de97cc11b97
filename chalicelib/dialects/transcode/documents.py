"""The documents of the transcode protocol, made from the farm's values. Pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ...compilers.transcode_settings import TranscodeSettings
from ...core.lifecycle import JobStatus
from ...core.model import Job, Task
from . import translate
from .translate import ROOM


def job_document(job: Job, settings: TranscodeSettings, percent: int) -> dict[str, Any]:
    """Section 4.1 of the sheet. `srt_path` is the seed's spelling."""
    state, result = translate.JOB_STATES[job.status]
    source = _source(job, settings)
    return {
        "id": translate.job_text(job.id),
        "state": int(state),
        "result": result,
        "srt_path": source,
        "src_path": source,
        "dst_path": settings.output_path or "" if job.status is JobStatus.COMPLETED else "",
        "progress": percent,
        "src_filename": source,
        "dst_dir": _folder(job, settings),
        "dst_format": settings.format,
        "segments": settings.segments or "",
        "create_time": job.created_at // 1000,
    }


def _source(job: Job, settings: TranscodeSettings) -> str:
    """As the client named it."""
    return str(_noted(job).get("src_filename") or settings.input)


def _folder(job: Job, settings: TranscodeSettings) -> str:
    return str(_noted(job).get("dst_dir") or translate.folder_of(settings.output_path or ""))


def _noted(job: Job) -> Mapping[str, Any]:
    noted: Mapping[str, Any] = job.annotations.get(ROOM, {})
    return noted


def task_document(job: Job, settings: TranscodeSettings, task: Task) -> dict[str, Any]:
    """Section 4.2 of the sheet, for a worker. A part of a file has `from` and `to` as well (seconds), a full path as
    its source, and a folder of its own, which the worker makes."""
    noted, start, end = _noted(job), *_cut(task)
    part = {} if start is None else {"from": start, "to": end}
    source = settings.input if part else _source(job, settings)
    map_filename = str(noted.get("map_filename") or settings.map_path or "")
    return {
        "id": translate.task_text(job.id, settings, task.index),
        "src_filename": source,
        "src_file_id": noted.get("src_file_id") or _name_id(source),
        "dst_dir": folder_for(job, settings, task),
        "dst_format": settings.format,
        "map_filename": map_filename,
        "map_file_id": noted.get("map_file_id") or (_name_id(map_filename) if map_filename else ""),
        **part,
    }


def _cut(task: Task) -> tuple[int | float | None, int | float | None]:
    said = task.work.commands[0]["settings"]
    start, end = said.get("start_seconds"), said.get("end_seconds")
    return _plain(start), _plain(end)


def _plain(seconds: float | None) -> int | float | None:
    return int(seconds) if seconds is not None and float(seconds).is_integer() else seconds


def _name_id(name: str) -> str:
    """Stands for the MD5 of a file that the farm has not read: an id that is that file's alone."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def folder_for(job: Job, settings: TranscodeSettings, task: Task) -> str:
    """Where this attempt's result goes: for a part, where no other attempt writes."""
    if settings.pieces_path is None:
        return _folder(job, settings)
    return translate.joined(settings.pieces_path, f"{task.index:05d}-{task.generation}/")


def result_for(job: Job, settings: TranscodeSettings, task: Task) -> dict[str, str]:
    """What a completed attempt left behind."""
    if settings.pieces_path is None:
        return {"path": settings.output_path or ""}
    name = f"{translate.base_name(settings.input)}.{settings.format}"
    return {"path": translate.joined(folder_for(job, settings, task), name)}


def task_call(document: Mapping[str, Any]) -> dict[str, Any]:
    """The body of `add_task`: the seed wants the fields in `task`, the program at the top level."""
    return {"type": 0, "task": dict(document), **document}


def task_reference(task_id: str) -> dict[str, Any]:
    """The body of `get_task_info` and `cancel_task`, in both spellings."""
    return {"type": 0, "task_id": task_id, "id": task_id}
