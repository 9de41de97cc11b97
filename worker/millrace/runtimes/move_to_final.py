"""`move_to_final` {src, dest}: publish a rendered file or folder; an existing `dest` is first renamed to `dest-<its
time>`.

An absent `src` is success: a repeated task has moved it already (Flamenco's rule).
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def move_to_final(context: Context, settings: Settings) -> Produced:
    source, target = context.path(settings.text("src")), context.path(settings.text("dest"))
    if not source.exists():
        context.say(f"move_to_final: {str(source)!r} does not exist, nothing to move")
        return NOTHING
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        backup = backup_path(target)
        context.say(f"move_to_final: {str(target)!r} exists and becomes {backup.name!r}")
        target.rename(backup)
    shutil.move(source, target)
    return NOTHING


def backup_path(target: Path) -> Path:
    """`NAME-<its time>`, with a counter where that is taken."""
    stamp = time.strftime("%Y-%m-%d_%H%M%S", time.gmtime(target.stat().st_mtime))
    backup = target.with_name(f"{target.name}-{stamp}")
    counter = 2
    while backup.exists():
        backup = target.with_name(f"{target.name}-{stamp}-{counter}")
        counter += 1
    return backup
