"""The shapes of the transcode protocol as a worker sees them. Both spellings of everything are taken and sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]

OK, FAILURE, INVALID_REQUEST, INVALID_VALUE = 0, -1, -2, -3
MESSAGES = {OK: "ok", FAILURE: "Failure", INVALID_REQUEST: "Invalid request", INVALID_VALUE: "Invalid value"}
READY, IN_PROGRESS, COMPLETED = 1, 2, 3
"""States of a task. There is none for failed or canceled: that is the result."""
DONE, FAILED = 0, -1


class BadTask(ValueError):
    """What the master sent is no task that this worker can do; the message says why."""


@dataclass(frozen=True)
class NewTask:
    id: str
    source: str
    folder: str
    format: str
    start_seconds: float | None = None
    end_seconds: float | None = None

    @classmethod
    def from_wire(cls, body: JsonObject) -> NewTask:
        """From `add_task`: the fields stand in `task`, at the top level, or both. Raises BadTask."""
        nested = body.get("task")
        fields = {**body, **(nested if isinstance(nested, dict) else {})}
        task_id, source, folder, format = (_text(fields, n) for n in ("id", "src_filename", "dst_dir", "dst_format"))
        if fields.get("map_filename"):
            raise BadTask("this worker knows nothing of projection maps")
        if not re.fullmatch(r"[a-z0-9]{1,16}", format):
            raise BadTask(f"dst_format {format!r} is no format")
        start, end = _seconds(fields, "from"), _seconds(fields, "to")
        if start is not None and end is not None and start >= end:
            raise BadTask(f"from {start:g} is not before to {end:g}")
        return cls(task_id, source, folder, format, start, end)


def _text(fields: JsonObject, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value or len(value) > 4000 or not value.isprintable():
        raise BadTask(f"{name} must be a text, not {str(value)[:40]!r}")
    return value


def _seconds(fields: JsonObject, name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise BadTask(f"{name} must be seconds, not {str(value)[:40]!r}")
    return float(value)


def task_id_of(body: JsonObject) -> str:
    """Whom `get_task_info` and `cancel_task` mean."""
    named = body.get("task_id") or body.get("id")
    return named if isinstance(named, str) else ""


@dataclass(frozen=True)
class Status:
    """How a task is."""

    id: str
    state: int
    result: int = DONE
    progress: float = 0.0

    def to_wire(self) -> JsonObject:
        return {"id": self.id, "state": self.state, "result": self.result, "progress": self.progress}

    def to_report(self) -> JsonObject:
        """For `set_task_result`."""
        program = {"task_id": self.id, "task_state": self.state, "task_result": self.result}
        return {"type": 0, **program, **self.to_wire()}


def envelope(code: int, **payload: Any) -> JsonObject:
    return {"type": 1, "err_code": code, "error_code": code, "err_msg": MESSAGES[code], **payload}
