"""Job types: pure functions from settings to steps and tasks, one file each. This is their list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from ..core.plans import JobType


class _JobTypes(Mapping[str, JobType]):
    """By name. A type is imported when a job has it: who only gives tasks away needs none of them."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = named
        self._made: dict[str, JobType] = {}

    def __getitem__(self, name: str) -> JobType:
        if name not in self._made:
            module, _, kind = self._named[name].partition(":")
            self._made[name] = getattr(import_module(f"{__name__}.{module}"), kind)()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


JOB_TYPES: Mapping[str, JobType] = _JobTypes(
    {
        "blender-render": "blender_render:BlenderRender",
        "blender-render-tiles": "blender_tiles:BlenderTiles",
        "command": "command:Command",
        "commands": "commands:Commands",
        "frames": "frames:Frames",
        "function": "function:Function",
        "openjd": "openjd:OpenJd",
        "transcode": "transcode:Transcode",
    }
)
