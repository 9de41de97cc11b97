"""Job type `commands`: tasks given outright, with the dependencies between them.

Command names and settings are Flamenco's (its Manager's HTTP API for workers, commands of the real worker): a task
type is a string, and whoever declares it may run it, so commands that only another farm's worker knows are welcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator

from ..core.errors import BadInput
from ..core.model import FUNCTION_TYPE, BlobId, Requirement
from ..core.plans import Expansion, Results, StepPlan, TaskPlan
from .fields import Limited, Name, Settings

MOST_TASKS = 10_000
MOST_COMMANDS = 100
MOST_PARENTS = 1_000


class Command(Settings):
    name: Name
    settings: dict[str, Any] = {}


class CommandsTask(Limited):
    name: Name
    task_type: Name
    commands: list[Command] = Field(min_length=1, max_length=MOST_COMMANDS)
    parents: list[Name] = Field(default=[], max_length=MOST_PARENTS)
    """Names of tasks of this job that must complete first."""
    priority: int = Field(default=50, ge=0, le=100)
    """Among the tasks of this job, higher first."""
    tags: list[Name] = []
    """Tags the worker must carry, on top of the job's."""

    @field_validator("task_type")
    @classmethod
    def not_a_runtime(cls, task_type: str) -> str:
        if task_type.startswith(FUNCTION_TYPE):
            raise ValueError(f"types that start with {FUNCTION_TYPE!r} belong to jobs of type 'function'")
        return task_type


class CommandsSettings(Settings):
    tasks: list[CommandsTask] = Field(min_length=1, max_length=MOST_TASKS)

    @model_validator(mode="after")
    def names_are_unique_and_parents_known(self) -> CommandsSettings:
        names: set[str] = set()
        for task in self.tasks:
            if task.name in names:
                raise ValueError(f"two tasks are named {task.name!r}; names must be unique within a job")
            names.add(task.name)
        for task in self.tasks:
            for parent in task.parents:
                if parent not in names:
                    raise ValueError(f"task {task.name!r} has the parent {parent!r}, which is no task of this job")
        return self


class Commands:
    name = "commands"
    settings: type[BaseModel] = CommandsSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, CommandsSettings)
        index_of = {task.name: index for index, task in enumerate(settings.tasks)}
        parents = [tuple(sorted({index_of[name] for name in task.parents})) for task in settings.tasks]
        _refuse_cycles(settings.tasks, parents)
        plans = [_task_plan(task, above) for task, above in zip(settings.tasks, parents, strict=True)]

        def expand(results: Results) -> Expansion:
            return Expansion(len(plans), plans.__getitem__)

        # A worker may hand in files that nobody asked for. Those of many tasks would all be read when the job ends.
        return [StepPlan("tasks", expand, publishes=len(plans) == 1)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        return {}


def _task_plan(task: CommandsTask, parents: tuple[int, ...]) -> TaskPlan:
    return TaskPlan(
        name=task.name,
        requirement=Requirement(task.task_type, frozenset(task.tags)),
        commands=tuple({"name": command.name, "settings": command.settings} for command in task.commands),
        parents=parents,
        own_priority=task.priority,
        max_seconds=task.max_seconds,
        idle_seconds=task.idle_seconds,
    )


def _refuse_cycles(tasks: Sequence[CommandsTask], parents: Sequence[tuple[int, ...]]) -> None:
    """Take away what has no parents left until nothing is left; what remains stands in a cycle (or below one)."""
    children: list[list[int]] = [[] for _ in tasks]
    missing = [len(above) for above in parents]
    for index, above in enumerate(parents):
        for parent in above:
            children[parent].append(index)
    free = [index for index, count in enumerate(missing) if count == 0]
    removed = 0
    while free:
        index = free.pop()
        removed += 1
        for child in children[index]:
            missing[child] -= 1
            if missing[child] == 0:
                free.append(child)
    if removed < len(tasks):
        stuck = next(task.name for task, count in zip(tasks, missing, strict=True) if count)
        raise BadInput(f"settings.tasks: the parents of task {stuck!r} form a cycle", field="settings.tasks")
