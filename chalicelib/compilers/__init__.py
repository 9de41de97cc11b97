"""Job types: pure functions from settings to steps and tasks, one file each. This is their list."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.plans import JobType
from .blender_render import BlenderRender
from .blender_tiles import BlenderTiles
from .command import Command
from .commands import Commands
from .frames import Frames
from .function import Function
from .openjd import OpenJd
from .transcode import Transcode

_ALL: tuple[JobType, ...] = (
    BlenderRender(),
    BlenderTiles(),
    Command(),
    Commands(),
    Frames(),
    Function(),
    OpenJd(),
    Transcode(),
)
JOB_TYPES: Mapping[str, JobType] = {kind.name: kind for kind in _ALL}
