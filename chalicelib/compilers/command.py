"""Job type `command`: one program, run once, on the worker that is named.

The task may be begun only once: a program that ran for a while is not run again because its machine went away. It
waits for its worker however long that takes; nobody else may have it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from ..core.ids import LARGEST, TEXT
from ..core.model import BlobId, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan
from .fields import Settings

TASK_TYPE = "exec"
"""What a worker declares that can run any program."""
MOST_BYTES = 100_000
"""Of all words together: Linux takes 128 KiB in one, and a task is an item of at most 400 KB."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def _existing(text: str) -> str:
    if int(text) > LARGEST:
        raise ValueError("is no id of this farm")
    return text


Word = Annotated[str, AfterValidator(_without_nul)]
WorkerRef = Annotated[str, StringConstraints(pattern=TEXT), AfterValidator(_existing)]


class CommandSettings(Settings):
    argv: list[Word] | None = Field(default=None, max_length=10_000)
    """The program and its arguments: no shell, no splitting."""
    cmd: Word | None = None
    """The same as one text, split into words as a POSIX shell would."""
    worker: WorkerRef
    """The id of the worker that is to run it, as `/api/v1/workers` shows it."""
    folder: Annotated[Word, StringConstraints(min_length=1, max_length=4000)] | None = None
    """Where to run, on the worker: an absolute path, or one relative to where the worker itself was started. None: an
    empty folder, gone afterwards."""
    notify_seconds: float = Field(default=5.0, ge=0, le=60, allow_inf_nan=False, strict=False)
    """How long the program may take to end when it is asked to, before it is killed; 0: it is killed at once."""

    @model_validator(mode="after")
    def one_program_is_named(self) -> CommandSettings:
        if (self.argv is None) == (self.cmd is None):
            raise ValueError("either argv or cmd must name the program")
        try:
            words = self.words
        except ValueError as error:
            raise ValueError(f"cmd cannot be split into words: {error}") from None
        if not words or not words[0]:
            raise ValueError("no program is named")
        size = sum(len(word.encode("utf-8", "surrogatepass")) for word in words)
        if size > MOST_BYTES:
            raise ValueError(f"the words have {size} bytes together, at most {MOST_BYTES} fit")
        return self

    @property
    def words(self) -> list[str]:
        return list(self.argv) if self.argv is not None else shlex.split(self.cmd or "")


class Command:
    name = "command"
    settings: type[BaseModel] = CommandSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, CommandSettings)
        task = TaskPlan(
            name=_name(settings.words[0]),
            requirement=Requirement(TASK_TYPE, worker=int(settings.worker)),
            commands=({"name": "exec", "settings": _exec(settings)},),
            once=True,
        )

        def expand(results: Results) -> Expansion:
            return Expansion(1, lambda index: task)

        return [StepPlan("run", expand)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        return {}


def _exec(settings: CommandSettings) -> dict[str, Any]:
    """For our own worker, which takes `argv`; `cmd` says the same to workers of Flamenco, which know only that."""
    words = settings.words
    said: dict[str, Any] = {"argv": words, "cmd": shlex.join(words), "notify_seconds": settings.notify_seconds}
    folder = {} if settings.folder is None else {"folder": settings.folder}
    return {**said, **folder, "announce": True}


def _name(program: str) -> str:
    """`/usr/bin/python3` is shown as `python3`."""
    shown = "".join(c if c.isprintable() else "?" for c in PurePath(program).name or program)
    return shown[:200]
