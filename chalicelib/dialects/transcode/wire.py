"""Request bodies of the transcode protocol, in both spellings of everything. Unknown keys are ignored.

The seed document and the program that it describes disagree in many names (protocol sheet, section 9): each model
takes both, the seed's first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")


def _as_text(value: Any) -> Any:
    """Other values are turned into text, as the original does."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(value)


def _whole(value: Any) -> Any:
    """An integer, also as text or as 5.0."""
    if isinstance(value, bool):
        raise ValueError("must be an integer")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value):
        return int(value)
    return value


def _percent(value: Any) -> float | None:
    """Anything else than a number says nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(min(max(value, 0), 100))


def _host(value: Any) -> Any:
    if isinstance(value, str) and value and not _HOST.fullmatch(value):
        raise ValueError("must be an address or a name of a host")
    return value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


Text = Annotated[str, BeforeValidator(_as_text), StringConstraints(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Given = Annotated[Text, StringConstraints(min_length=1)]
Whole = Annotated[int, BeforeValidator(_whole)]
Host = Annotated[str, BeforeValidator(_host)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    OTHER_NAMES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Name -> what else it is called, best first."""

    @model_validator(mode="before")
    @classmethod
    def _in_one_spelling(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        """The first spelling that says something; what is None or empty says nothing."""
        found = {}
        for name in cls.model_fields:
            said = (body.get(spelling) for spelling in (name, *cls.OTHER_NAMES.get(name, ())))
            value = next((value for value in said if value is not None and value != ""), None)
            if value is not None:
                found[name] = value
        return found


class NewJob(_Request):
    OTHER_NAMES = {"src_filename": ("srt_path", "src_path")}

    src_filename: Given
    dst_dir: Given
    dst_format: Annotated[Text, StringConstraints(max_length=16)] = "flv"
    segments: Annotated[Text, StringConstraints(max_length=256)] = ""
    map_filename: Text = ""
    src_file_id: Text = ""
    """Ours: the MD5 of the source, for workers that want it. The farm does not read files on shared storage."""
    map_file_id: Text = ""


class JobRef(_Request):
    OTHER_NAMES = {"job_id": ("task_id", "id", "job")}

    job_id: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _unpacked(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        return {**body, "job": _object(body.get("job")).get("id")}


class Page(_Request):
    start_index: Whole = 0
    limit: Whole = 10


class Register(_Request):
    OTHER_NAMES = {"ip": ("worker_id",), "port": ("worker_port",)}

    ip: Host = ""
    port: Annotated[Whole, Field(ge=1, le=65535)]
    state: Whole = 0
    cuts: bool = False
    """Ours: this worker understands `from` and `to`, and so can be given parts of files."""


class Heartbeat(_Request):
    OTHER_NAMES = {"worker_state": ("state",)}

    worker_id: Text = ""
    worker_state: Whole = 0


class WorkerRef(_Request):
    worker_id: Text = ""


class TaskResult(_Request):
    """What a worker says of a task: in `set_task_result`, and as the answer to `get_task_info`."""

    OTHER_NAMES = {"task_id": ("id",), "task_state": ("state",), "task_result": ("result",)}

    task_id: Text = ""
    task_state: Annotated[Whole, Field(ge=0, le=3)]
    task_result: Whole
    progress: Annotated[float | None, BeforeValidator(_percent)] = None

    @model_validator(mode="before")
    @classmethod
    def _unpacked(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        return {**_object(body.get("task")), **body}
