"""`move_out_of_way` {src} and `move_with_counter` {src, dest}: make room without losing anything (Flamenco's commands).

The first renames `src` to `src-<its time>`; an absent one is success. The second moves `src` to `dest` with the next
free number in its name: `film.mp4` becomes `film_001.mp4`, `film_002.mp4`, …
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.move_to_final import backup_path
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def move_out_of_way(context: Context, settings: Settings) -> Produced:
    source = context.path(settings.text("src"))
    if not source.exists():
        context.say(f"move_out_of_way: {str(source)!r} does not exist, nothing to move")
        return NOTHING
    backup = backup_path(source)
    context.say(f"move_out_of_way: {str(source)!r} becomes {backup.name!r}")
    source.rename(backup)
    return NOTHING


def move_with_counter(context: Context, settings: Settings) -> Produced:
    source, wanted = context.path(settings.text("src")), context.path(settings.text("dest"))
    if not source.exists():
        raise CommandFailed(f"move_with_counter: {str(source)!r} does not exist")
    wanted.parent.mkdir(parents=True, exist_ok=True)
    target = wanted.with_name(f"{wanted.stem}_{_last_number(wanted) + 1:03d}{wanted.suffix}")
    context.say(f"move_with_counter: {str(source)!r} becomes {str(target)!r}")
    shutil.move(source, target)
    return NOTHING


def _last_number(wanted: Path) -> int:
    numbered = re.compile(re.escape(wanted.stem) + r"_(\d{3,})" + re.escape(wanted.suffix))
    matches = (numbered.fullmatch(path.name) for path in wanted.parent.iterdir())
    return max((int(match[1]) for match in matches if match), default=0)
