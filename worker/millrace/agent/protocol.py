"""The native protocol's shapes as frozen values: parsed once where they come in, rendered once where they go out.

The wire is described in `docs/native-protocol.md`. Unknown keys in answers are ignored, so that the manager may grow; a
missing or mistyped key raises `BadAnswer` naming it. No I/O here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

JsonObject = dict[str, Any]


class BadAnswer(ValueError):
    """The manager's answer is not what the protocol says."""


def _get(source: JsonObject, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    value = source.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadAnswer(f"{where}: {key!r} is {value!r}, which is not what the protocol says")
    return value


def _objects(source: JsonObject, key: str, where: str) -> list[JsonObject]:
    found = source.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise BadAnswer(f"{where}: {key!r} must be a list of objects")
    return found


@dataclass(frozen=True)
class Credentials:
    """What registration gave: the worker's id and its secret."""

    worker_id: str
    secret: str


@dataclass(frozen=True, order=True)
class LeaseId:
    """Which attempt: a task and the generation under which it was given to us."""

    task: str
    generation: int

    @classmethod
    def from_wire(cls, source: JsonObject, where: str = "lease") -> LeaseId:
        task, generation = str(_get(source, "task", (str, int), where)), _get(source, "generation", int, where)
        # Both become part of file names on this machine.
        if not (task.isascii() and task.isdigit()):
            raise BadAnswer(f"{where}: 'task' must be a decimal string, not {task!r}")
        return cls(task, generation)

    def to_wire(self) -> JsonObject:
        return {"task": self.task, "generation": self.generation}

    def __str__(self) -> str:
        return f"{self.task}-{self.generation}"


@dataclass(frozen=True)
class Command:
    """One action of a task: the name of a runtime and its settings."""

    name: str
    settings: JsonObject


@dataclass(frozen=True)
class InputBlob:
    """A file to lay into the work folder before the first command; or, where the name ends with `/`, the manifest of
    what is to be in that folder."""

    name: str
    blob: str
    size: int
    sha256: str

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")

    @classmethod
    def from_wire(cls, source: JsonObject) -> InputBlob:
        name = _get(source, "name", str, "input")
        where = f"input {name!r}"
        if source.get("sha256") is None:
            raise BadAnswer(f"{where}: the farm has no content for blob {source.get('blob')}; was it ever uploaded?")
        return cls(
            name,
            _get(source, "blob", str, where),
            _get(source, "size", int, where),
            _get(source, "sha256", str, where),
        )


@dataclass(frozen=True)
class Assignment:
    """What a claim gives: the task, its commands, the lease."""

    lease: LeaseId
    job: str
    name: str
    job_name: str
    task_type: str
    lease_seconds: float
    commands: tuple[Command, ...]
    inputs: tuple[InputBlob, ...] = ()
    outputs: tuple[str, ...] = ()
    max_seconds: float | None = None
    idle_seconds: float | None = None

    @classmethod
    def from_wire(cls, source: JsonObject) -> Assignment:
        where = f"assignment of task {source.get('task')!r}"
        commands = _objects(source, "commands", where)
        outputs = source.get("outputs") or []
        if not all(isinstance(name, str) for name in outputs):
            raise BadAnswer(f"{where}: 'outputs' must be a list of file names")
        return cls(
            lease=LeaseId.from_wire(source, where),
            job=str(source.get("job", "")),
            name=str(source.get("name") or ""),
            job_name=str(source.get("job_name") or ""),
            task_type=str(source.get("task_type") or ""),
            lease_seconds=float(_get(source, "lease_seconds", (int, float), where)),
            commands=tuple(Command(_get(one, "name", str, where), dict(one.get("settings") or {})) for one in commands),
            inputs=tuple(InputBlob.from_wire(one) for one in _objects(source, "inputs", where)),
            outputs=tuple(outputs),
            max_seconds=None if source.get("max_seconds") is None else float(source["max_seconds"]),
            idle_seconds=None if source.get("idle_seconds") is None else float(source["idle_seconds"]),
        )


@dataclass(frozen=True)
class Output:
    """A stored file of a finished attempt. `size` and `sha256` stay here: they find the bytes again in our cache."""

    name: str
    blob: str
    size: int
    sha256: str

    def to_wire(self) -> JsonObject:
        return {"name": self.name, "blob": self.blob}


@dataclass(frozen=True)
class Report:
    """How an attempt ended: completed, failed, canceled, released or interrupted."""

    lease: LeaseId
    outcome: str
    exit_code: int | None = None
    error: str | None = None
    outputs: tuple[Output, ...] = ()
    result: JsonObject = field(default_factory=dict)

    def to_wire(self) -> JsonObject:
        return {
            **self.lease.to_wire(),
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "error": self.error,
            "outputs": [output.to_wire() for output in self.outputs],
            "result": self.result,
        }


@dataclass(frozen=True)
class Offer:
    """The wheel that the farm has for its workers, told to one that has another."""

    version: str
    sha256: str
    file: str

    @classmethod
    def from_wire(cls, wire: Any) -> Offer | None:
        """None for what cannot be one: an upgrade is no reason to refuse an answer that also has tasks."""
        if not isinstance(wire, dict):
            return None
        version, sha256, file = (str(wire.get(key, "")) for key in ("version", "sha256", "file"))
        if not re.fullmatch("[0-9a-f]{64}", sha256) or not re.fullmatch(
            r"millrace-[A-Za-z0-9.+!_]+-py3-none-any\.whl", file
        ):
            return None
        return cls(version[:50], sha256, file)


@dataclass(frozen=True)
class Told:
    """What any contract or renew answer may tell us besides its own business."""

    cancel: tuple[LeaseId, ...]
    poll_seconds: float
    status_requested: str | None
    lazy: bool
    upgrade: Offer | None = None

    @classmethod
    def from_wire(cls, answer: JsonObject) -> Told:
        poll_seconds = answer.get("poll_seconds")
        requested = answer.get("status_requested")
        return cls(
            cancel=tuple(LeaseId.from_wire(one, "cancel") for one in _objects(answer, "cancel", "answer")),
            # A manager that names none, or nonsense, must not make us spin or sleep for ever.
            poll_seconds=min(300.0, max(0.05, float(poll_seconds))) if isinstance(poll_seconds, (int, float)) else 5.0,
            status_requested=requested if requested in ("awake", "asleep", "offline") else None,
            lazy=bool(answer.get("lazy", False)),
            upgrade=Offer.from_wire(answer.get("upgrade")),
        )
