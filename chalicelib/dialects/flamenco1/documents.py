"""The documents of Flamenco 1, made from the farm's values: workers, tasks, what a worker is given. Pure functions.

Their keys are always all there: the originals' callers read them without asking.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...core.model import Worker
from .compilers import command_names, command_path
from .fleet import ROOM, Member
from .handing import Handed
from .submitting import Known
from .translate import JOB_TYPE_NAMES, TASK_WORDS, Shown, System, TaskWord
from .wire import whole

JOBFILES = [["jobfile", "jobfile.zip"], ["jobsupportfile", "jobsupportfile.zip"]]


def worker_document(worker: Worker, member: Member | None, shown: Shown, current_task: int | None) -> dict[str, Any]:
    """A worker that pulls shows no log, as in the original. One of another protocol has no port."""
    return {
        "id": worker.id,
        "hostname": member.hostname if member else worker.name,
        "status": shown.status.value,
        "activity": member.activity if member else None,
        "log": _log(member),
        "time_cost": member.time_cost if member else None,
        "connection": _connection(shown),
        "system": member.system if member else worker.platform,
        "port": member.port if member else 0,
        "ip_address": member.address if member else worker.address,
        "current_task": current_task,
    }


def _log(member: Member | None) -> str | None:
    if member is None:
        return None
    return "" if member.pulls else member.log


def _connection(shown: Shown) -> str:
    return "online" if shown.online else "offline"


def by_name(documents: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Keyed by host name; where two have one name, the later is `name:port`, and `name:port:id` if need be."""
    found: dict[str, Mapping[str, Any]] = {}
    for document in documents:
        name, port = document["hostname"], document["port"]
        keys = (name, f"{name}:{port}", f"{name}:{port}:{document['id']}")
        found[next(key for key in keys if key not in found)] = document
    return found


def run_info(document: Mapping[str, Any]) -> dict[str, Any]:
    """For a worker that cannot be asked: what is known of it, in the shape of what it would say."""
    known = ("id", "hostname", "system", "status", "connection", "ip_address", "port", "current_task")
    return {name: document[name] for name in known}


def task_document(known: Known) -> dict[str, Any]:
    """The reply to a new task."""
    ours = known.job.annotations.get(ROOM) or {}
    settings = ours.get("settings", {})
    lease = known.task.lease if known.task is not None else None
    first = _number(settings.get("frame_start"))
    return {
        "id": known.number,
        "worker_id": lease.worker if lease is not None else 0,
        "priority": ours.get("priority", 100 - known.job.priority),
        "frame_start": first,
        "frame_end": _number(settings.get("frame_end")),
        "frame_current": first,
        "status": TASK_WORDS[known.task.status].value if known.task is not None else TaskWord.READY.value,
        "format": str(settings.get("format") or ""),
    }


def _number(value: Any) -> int:
    try:
        return whole(value)
    except ValueError:
        return 0


def compiled_document(handed: Handed) -> dict[str, Any]:
    """What a worker that pulls gets: `settings` is an object here, and the command JSON text of a list."""
    return {
        "options": {
            "task_id": handed.number,
            "job_id": handed.job_number,
            "task_parser": handed.parser,
            "settings": handed.settings,
            "type": handed.kind,
            "task_command": json.dumps(handed.argv),
        },
        "files": {"jobfiles": JOBFILES},
    }


def pushed_form(handed: Handed) -> dict[str, str]:
    """The fields of `/execute_task`: all four are required, the last two are JSON text."""
    return {
        "task_id": str(handed.number),
        "task_parser": handed.parser,
        "settings": json.dumps(handed.settings),
        "task_command": json.dumps(handed.argv),
    }


def job_type_document(settings: Mapping[str, str]) -> dict[str, Any]:
    """Where a worker finds what `command_name` names, by its system; one that finds no such entry crashes."""
    return {"commands": {name: _paths(settings, name) for name in command_names(settings)}}


def _paths(settings: Mapping[str, str], name: str) -> dict[str, str]:
    found = {JOB_TYPE_NAMES[system]: command_path(settings, name, system) for system in System}
    return {system: path for system, path in found.items() if path is not None}
