"""A job type for tests: steps of given sizes that follow one another, and tasks that wait for tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from chalicelib.core.model import BlobId, Requirement
from chalicelib.core.plans import Expansion, Results, StepPlan, TaskPlan


class Rung(BaseModel):
    count: int
    after: list[int] = []
    """Earlier rungs that must be complete before."""
    parents: dict[int, list[int]] = {}
    """Within the rung: index -> the indices it waits for."""
    task_type: str = "sleep"
    alike: bool = True
    """False: its tasks are written one by one, however many they are."""


class LadderSettings(BaseModel):
    rungs: list[Rung]


class Ladder:
    name = "ladder"
    settings: type[BaseModel] = LadderSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, LadderSettings)
        return [_step(number, rung) for number, rung in enumerate(settings.rungs)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        return {}


def _step(number: int, rung: Rung) -> StepPlan:
    def task(index: int) -> TaskPlan:
        parents = tuple(rung.parents.get(index, ()))
        command = {"name": "echo", "settings": {"message": f"{number}/{index}"}}
        return TaskPlan(f"{number}/{index}", Requirement(rung.task_type), (command,), parents=parents)

    def expand(results: Results) -> Expansion:
        assert all(len(found) > 0 for found in results.values())
        return Expansion(rung.count, task, alike=rung.alike and not rung.parents)

    return StepPlan(f"rung {number}", expand, after=tuple(f"rung {n}" for n in rung.after))
