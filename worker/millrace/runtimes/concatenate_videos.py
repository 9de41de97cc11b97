"""`concatenate_videos` {input_files, output_file, ffmpeg_cmd?}: join the files a pattern matches, in name order,
without re-encoding (Flamenco's command; the transcode job joins with `join_segments`).
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.ffmpeg import concat_list, ffmpeg_of
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def concatenate_videos(context: Context, settings: Settings) -> Produced:
    pattern = str(context.path(settings.text("input_files")))
    target = context.path(settings.text("output_file"))
    program = ffmpeg_of(settings)
    files = sorted(Path(name) for name in glob.glob(pattern))
    if not files:
        raise CommandFailed(f"concatenate_videos: no file matches {pattern!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    listed = concat_list(context.work, files)
    argv = [*program, "-hide_banner", "-nostdin", "-y", "-f", "concat", "-safe", "0", "-i", str(listed)]
    context.run_or_fail("concatenate_videos", [*argv, "-map", "0", "-c", "copy", str(target)])
    return NOTHING
