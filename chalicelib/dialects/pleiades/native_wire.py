"""The native protocol's shapes (`docs/native-protocol.md`): strict models of what our worker sends, and what it gets.

Unknown keys are refused: a field that the manager does not know is a worker it does not fit. Sizes are limited here,
so that one report cannot make a task's item too large to be written.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from ...core import last_rendered, uploads
from ...core.errors import BadInput
from ...core.ids import LARGEST
from ...core.leases import Report
from ...core.lifecycle import Outcome
from ...core.model import Assignment, Load, Output, Task, TaskId, TaskInput, WorkerId
from ...core.path_mapping import PathMapping
from ...core.workers import Description
from ...edge.http import Request

ERROR_CHARACTERS = 2000
RESULT_BYTES = 60_000
MOST_OBJECTS_AT_ONCE = 1_000
"""Objects of a manifest that a worker asks for in one call."""


def _existing(text: str) -> str:
    if not 0 < int(text) <= LARGEST:
        raise ValueError("is no id of this farm")
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,16}$"), AfterValidator(_existing)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ShortText = Annotated[str, StringConstraints(max_length=2000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Native(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class LeaseId(_Native):
    """Which attempt: a task, and the generation under which the worker got it."""

    task: Id
    generation: int = Field(ge=1)

    @property
    def task_id(self) -> TaskId:
        return int(self.task)

    @property
    def pair(self) -> tuple[TaskId, int]:
        return self.task_id, self.generation

    def wire(self) -> dict[str, Any]:
        return {"task": self.task, "generation": self.generation}


class WorkerSelf(_Native):
    name: Name
    task_types: list[Name] = Field(default=[], max_length=200)
    tags: list[Name] = Field(default=[], max_length=200)
    slots: int = Field(default=1, ge=1, le=1000)
    platform: ShortText = ""
    software: ShortText = ""


class Registration(_Native):
    runtime: list[Name] = Field(default=[], max_length=200)
    worker: WorkerSelf

    def description(self) -> Description:
        said = self.worker
        return Description(
            name=said.name,
            task_types=tuple(said.task_types),
            runtimes=tuple(self.runtime),
            tags=tuple(said.tags),
            slots=said.slots,
            platform=said.platform,
            software=said.software,
        )


class SignOn(Registration):
    held: list[LeaseId] = Field(default=[], max_length=2000)


class Nothing(_Native):
    """An empty object."""


class NamedBlob(_Native):
    name: Name
    blob: Id


class AttemptReport(LeaseId):
    outcome: Literal["completed", "failed", "canceled", "released", "interrupted"]
    exit_code: int | None = None
    error: str | None = None
    outputs: list[NamedBlob] = Field(default=[], max_length=1000)
    result: dict[str, Any] | None = None

    @field_validator("result")
    @classmethod
    def _small(cls, result: dict[str, Any] | None) -> dict[str, Any] | None:
        size = len(json.dumps(result, ensure_ascii=False).encode())
        if size > RESULT_BYTES:
            raise ValueError(f"has {size} bytes as JSON, at most {RESULT_BYTES} fit: make it an output")
        return result

    @property
    def blobs(self) -> dict[str, int]:
        return {output.name: int(output.blob) for output in self.outputs}

    def said(self, outputs: tuple[Output, ...]) -> Report:
        error = self.error
        if error is not None and len(error) > ERROR_CHARACTERS:  # the reason stands at the end; all of it is in the log
            error = "… " + error[-ERROR_CHARACTERS:]
        return Report(Outcome(self.outcome), self.exit_code, error, outputs, self.result)


class Contract(_Native):
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    repeat: bool = False
    slots: int = Field(default=1, ge=0, le=1000)
    timeout: float = Field(default=0.0, allow_inf_nan=False)
    held: list[LeaseId] = Field(default=[], max_length=2000)
    reports: list[AttemptReport] = Field(default=[], max_length=50)


class Renewal(LeaseId):
    progress: float | None = Field(default=None, ge=0, le=100)
    activity: ShortText | None = None

    @property
    def percent(self) -> int | None:
        return None if self.progress is None else int(self.progress)


class Renew(_Native):
    leases: list[Renewal] = Field(max_length=2000)


class LogChunk(LeaseId):
    offset: int = Field(ge=0, lt=2**50)
    text: str | None = None
    size: int | None = Field(default=None, ge=1, le=5 * 1024**3)
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_way(self) -> LogChunk:
        announced = self.size is not None and self.sha256 is not None
        if (self.text is None) != announced or (self.size is None) != (self.sha256 is None):
            raise ValueError("a chunk has either text, or size and sha256")
        return self


class FilesWanted(LeaseId):
    """Objects of a manifest that a task reads."""

    manifest: Id
    objects: list[Sha256] = Field(min_length=1, max_length=MOST_OBJECTS_AT_ONCE)


class Part(_Native):
    number: int = Field(ge=1, le=uploads.MOST_PARTS)
    sha256: Sha256
    etag: str = Field(default="", max_length=200)
    """Of a part that the store has taken: what it calls it."""


class PartsCall(LeaseId):
    """About an output that one request does not carry."""

    blob: Id
    action: Literal["begin", "sign", "complete", "abort"]
    upload: str | None = Field(default=None, min_length=1, max_length=1024)
    parts: list[Part] = Field(default=[], max_length=uploads.MOST_PARTS)

    @model_validator(mode="after")
    def _what_it_takes(self) -> PartsCall:
        if (self.upload is None) != (self.action == "begin"):
            raise ValueError("upload goes with sign, complete and abort, and only with them")
        if bool(self.parts) != (self.action in ("sign", "complete")):
            raise ValueError("parts go with sign and complete, and only with them")
        if self.action == "sign" and len(self.parts) > uploads.MOST_SIGNED:
            raise ValueError(f"at most {uploads.MOST_SIGNED} parts are signed at once")
        return self


class PictureSize(_Native):
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    jpeg: str = Field(max_length=1_400_000)
    """Base64."""

    def read(self) -> last_rendered.Jpeg:
        try:
            return last_rendered.Jpeg(self.width, self.height, base64.b64decode(self.jpeg, validate=True))
        except ValueError:
            raise BadInput("jpeg is no base64", field="pictures") from None


class PictureMade(LeaseId):
    """What a task rendered, small."""

    name: str = Field(max_length=200)
    pictures: list[PictureSize] = Field(min_length=1, max_length=last_rendered.MOST_SIZES)


class Became(_Native):
    status: Literal["awake", "asleep", "error"]


class Announcement(_Native):
    """A blob that is to be uploaded past the farm."""

    size: int
    sha256: Sha256


_LOAD = re.compile(r"cpu=([0-9]{1,3}), memory=([0-9]{1,3})")


def load_of(request: Request) -> Load | None:
    """What `X-Millrace-Load` says. Nothing depends on it, so one that cannot be read is as good as none."""
    match = _LOAD.fullmatch(request.headers.get("x-millrace-load", ""))
    percents = [int(text) for text in match.groups()] if match else []
    return Load(*percents) if percents and max(percents) <= 100 else None


def assignment(given: Assignment, paths: PathMapping) -> dict[str, Any]:
    task = given.task
    return {
        "task": str(task.id),
        "generation": given.lease.generation,
        "job": str(task.job),
        "name": task.name,
        "job_name": task.job_name,
        "task_type": task.requirement.task_type,
        "lease_seconds": given.seconds,
        "commands": paths.commands(task.work.commands),
        "inputs": [_input(wanted) for wanted in task.work.inputs],
        "outputs": list(task.work.outputs),
        "max_seconds": task.work.max_seconds,
        **({} if task.work.idle_seconds is None else {"idle_seconds": task.work.idle_seconds}),
    }


def _input(wanted: TaskInput) -> dict[str, Any]:
    """`size` and `sha256` are null for a blob that was not there when the task was made: the worker fails it."""
    return {"name": wanted.name, "blob": str(wanted.blob), "size": wanted.size, "sha256": wanted.sha256}


def stop(lease: LeaseId, task: Task | None, worker_id: WorkerId) -> dict[str, Any] | None:
    """The notice that an attempt this worker believes to hold must end, if it must."""
    if task is None or task.lease is None or (task.generation, task.lease.worker) != (lease.generation, worker_id):
        return {**lease.wire(), "reason": "its lease is lost"}
    if task.cancel_reason is not None:
        return {**lease.wire(), "reason": task.cancel_reason}
    return None
