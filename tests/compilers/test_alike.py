"""Steps whose job type says that their tasks are alike: a cursor gives them away without looking at each."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.compilers import JOB_TYPES
from chalicelib.core.compiling import checked

SETTINGS: dict[str, dict[str, Any]] = {
    "frames": {"frames": "1-1000000", "command": ["povray", "+K{frame}"]},
    "blender-render": {"blend": "/shared/shot.blend", "frames": "1-1000000", "output_path": "/shared/out"},
    "blender-render-tiles": {"blend": "/shared/shot.blend", "frame": 1, "columns": 16, "rows": 16},
    "transcode": {"input": "/shared/film.mov", "format": "mp4", "segments": "0-36000", "segment_seconds": 10},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_called_alike_is(name: str) -> None:
    kind = JOB_TYPES[name]
    _, plans = checked(kind, SETTINGS[name])
    first = next(plan.expand({}) for plan in plans if not plan.after)
    assert first.alike and first.count > 100
    looked_at = [first.task(index) for index in (0, 1, first.count // 2, first.count - 1)]
    assert len({(task.requirement, task.own_priority, task.parents) for task in looked_at}) == 1
    assert len({task.name for task in looked_at}) == 4
