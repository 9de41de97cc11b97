"""A job type for tests: steps of given sizes that follow one another, and tasks that wait for tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from chalicelib.core.model import BlobId, Requirement
from chalicelib.core.plans import Expansion, Results, StepPlan, TaskPlan, Trail


class Rung(BaseModel):
    count: int
    after: list[int] = []
    """Earlier rungs that must be complete before."""
    parents: dict[int, list[int]] = {}
    """Within the rung: index -> the indices it waits for."""
    task_type: str = "sleep"
    alike: bool = True
    """False: its tasks are written one by one, however many they are."""
    trails: int | None = None
    """An earlier rung that it follows task by task: its task `i` needs those of the other that share a part of
    [0, 1) with [i / count, (i + 1) / count)."""
    files: bool = False
    """It gets the files of what it trails."""


class LadderSettings(BaseModel):
    rungs: list[Rung]


class Ladder:
    name = "ladder"
    settings: type[BaseModel] = LadderSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, LadderSettings)
        return [_step(number, rung, settings.rungs) for number, rung in enumerate(settings.rungs)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        return {}


def shared(index: int, count: int, other: int) -> list[range]:
    """Which of `other` equal parts of a whole share something with part `index` of `count`."""
    return [range(index * other // count, -(-(index + 1) * other // count))]


def _trail(rung: Rung, rungs: Sequence[Rung]) -> Trail | None:
    if rung.trails is None:
        return None
    count, other = rung.count, rungs[rung.trails].count
    return Trail(
        f"rung {rung.trails}",
        lambda index: shared(index, count, other),
        lambda index: shared(index, other, count),
        covered=True,
        files_into="before" if rung.files else None,
    )


def _step(number: int, rung: Rung, rungs: Sequence[Rung]) -> StepPlan:
    def task(index: int) -> TaskPlan:
        parents = tuple(rung.parents.get(index, ()))
        command = {"name": "echo", "settings": {"message": f"{number}/{index}"}}
        return TaskPlan(f"{number}/{index}", Requirement(rung.task_type), (command,), parents=parents)

    def expand(results: Results) -> Expansion:
        assert all(len(found) > 0 for found in results.values())
        return Expansion(rung.count, task, alike=rung.alike and not rung.parents)

    after = tuple(f"rung {n}" for n in rung.after if n != rung.trails)
    return StepPlan(f"rung {number}", expand, after=after, trail=_trail(rung, rungs))
