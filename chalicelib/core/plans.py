"""What a job type (`chalicelib/compilers`) gives to the core: steps, each a count and a function from index to task.

A plan is a pure function of the settings, so it is never stored: whoever needs a task's definition asks the plan
again. A step that depends on what earlier ones produced (how many segments there are) says so in `expand`, which is
called once, when all its parents are completed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .model import BlobId, Json, Output, Requirement

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class TaskPlan:
    """One task's definition."""

    name: str
    requirement: Requirement
    commands: tuple[Mapping[str, Json], ...]
    inputs: tuple[tuple[str, BlobId], ...] = ()
    """(file name in the work folder, blob); with `/` at its end a folder, and the blob its manifest."""
    outputs: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    """Indices of tasks of the same step that must complete first."""
    own_priority: int = 50
    max_seconds: int | None = None
    """How long an attempt may take."""
    idle_seconds: int | None = None
    """How long an attempt may show no sign of life: no output, no progress."""
    once: bool = False
    """Begun once and never again, however the attempt ended."""


@dataclass(frozen=True)
class TaskResult:
    """What a completed task left behind."""

    outputs: tuple[Output, ...]
    result: Json


@dataclass(frozen=True)
class Expansion:
    count: int
    """At least 1."""
    task: Callable[[int], TaskPlan]
    alike: bool = False
    """All its tasks have one requirement and one own priority, and none waits for another of this step. Of such a step
    a million tasks cost as little as a hundred: they are given away by cursors, and `task` is asked one by one."""


Results = Mapping[str, Sequence[TaskResult]]
"""Step name -> its tasks' results by index, for the completed parents."""


@dataclass(frozen=True)
class Trail:
    """A step follows an earlier one task by task: each of its tasks may begin when those it needs have completed.

    `sources` and `targets` are pure, and each other's inverse; both give ranges that do not overlap, in order.
    """

    step: str
    """The earlier step's name."""
    sources: Callable[[int], Sequence[range]]
    """Which tasks of the earlier step a task of this one needs, by their indices; none: it needs nothing."""
    targets: Callable[[int], Sequence[range]]
    """Which tasks of this step need that task of the earlier one."""
    covered: bool
    """Each of its tasks needs at least one."""
    files_into: str | None = None
    """The folder of a task into which the files are laid that those it needs have brought back."""


@dataclass(frozen=True)
class StepPlan:
    name: str
    expand: Callable[[Results], Expansion]
    after: tuple[str, ...] = ()
    """Names of earlier steps of which every task must complete first."""
    publishes: bool = False
    """Its tasks' outputs are the job's outputs."""
    trail: Trail | None = None
    """Its tasks are alike, and it has no need of `expand`'s results of the step that it trails."""


class JobType(Protocol):
    """A kind of job that can be submitted."""

    name: str
    settings: type[BaseModel]

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]: ...

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        """Which blobs must be stored before the job may start, by the settings' field that names them; a `ManifestId`
        stands for all files of a manifest too."""
        ...


@dataclass(frozen=True)
class Addition:
    """Frames that a job is to get."""

    settings: Json
    """The job's, with them."""
    added: str | None
    """Those that it did not have; None: it had them all, and its settings are as they were."""
    present: str | None
    """Those of the wanted ones that it had."""


@runtime_checkable
class Framed(Protocol):
    """A job type whose tasks are frames. Its plan grows only at the end: what is added makes new steps, and changes
    only what earlier ones come after."""

    def add_frames(self, settings: Json, text: str) -> Addition:
        """Raises BadInput for what cannot be added."""
        ...

    def tasks_of_frames(self, settings: Json, text: str) -> Mapping[str, Sequence[range]]:
        """Step name -> the indices of the tasks that these frames belong to. Raises BadInput for those of no task."""
        ...
