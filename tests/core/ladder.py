"""A job type for tests: steps of given sizes that follow one another, and tasks that wait for tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from chalicelib.core.model import BlobId, Json, Requirement
from chalicelib.core.plans import Addition, Expansion, Results, StepPlan, TaskPlan, Trail


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
    added: list[str] = []
    """What was asked to be added, each a rung more: `7b` is one of seven tasks."""
    gathers: int | None = None
    """A rung that comes after all that are added, as a video of all frames does."""


class Ladder:
    name = "ladder"
    settings: type[BaseModel] = LadderSettings

    def plan(self, settings: BaseModel) -> Sequence[StepPlan]:
        assert isinstance(settings, LadderSettings)
        return [_step(number, rung, settings.rungs) for number, rung in enumerate(settings.rungs)]

    def blobs(self, settings: BaseModel) -> Mapping[str, BlobId]:
        return {}


class GrowingLadder(Ladder):
    """One that takes more rungs while its jobs live."""

    def add_frames(self, settings: Json, text: str) -> Addition:
        known = LadderSettings.model_validate(settings)
        if text in known.added:
            return Addition(settings, None, text)
        rungs = [rung.model_copy() for rung in known.rungs]
        if known.gathers is not None:
            rungs[known.gathers].after = [*rungs[known.gathers].after, len(rungs)]
        more = Rung(count=int(text[:-1]))
        longer = known.model_copy(update={"rungs": [*rungs, more], "added": [*known.added, text]})
        return Addition(longer.model_dump(mode="json"), text, None)

    def tasks_of_frames(self, settings: Json, text: str) -> Mapping[str, Sequence[range]]:
        return {"rung 0": [range(1)]}


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
