"""`create_video` {input_files, output_file, fps, ffmpeg_cmd?}: a video of the pictures that a pattern fits, in the
order of their names (Flamenco's command).

H.264, what every player shows: sizes are made even, transparency and a camera's extra bits are dropped. EXR frames are
light, not colours: they are given the curve of a screen.
"""

from __future__ import annotations

import glob
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.ffmpeg import ffmpeg_of
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def create_video(context: Context, settings: Settings) -> Produced:
    pattern, target = str(context.path(settings.text("input_files"))), context.path(settings.text("output_file"))
    fps = settings.number("fps", above=0)
    files = sorted(Path(name) for name in glob.glob(pattern))
    if not files:
        raise CommandFailed(f"create_video: no file matches {pattern!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    curve = ["-apply_trc", "iec61966_2_1"] if files[0].suffix.lower() == ".exr" else []
    listed = _numbered(context, files)
    source = ["-framerate", f"{fps:g}", *curve, "-i", str(listed)]
    picture = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,format=yuv420p", "-c:v", "libx264", "-crf", "20", "-g", "18"]
    argv = [*ffmpeg_of(settings), "-hide_banner", "-nostdin", "-v", "warning", "-y", *source, *picture]
    context.run_or_fail("create_video", [*argv, "-movflags", "+faststart", str(target)])
    return NOTHING


def _numbered(context: Context, files: list[Path]) -> Path:
    """Links under running numbers: ffmpeg's own patterns are not there on Windows, and stop at a gap."""
    folder = context.work / ".millrace-frames"
    folder.mkdir(exist_ok=True)
    for link in folder.iterdir():
        link.unlink()
    suffix = files[0].suffix
    for number, file in enumerate(files):
        if file.suffix != suffix:
            raise CommandFailed(f"create_video: {files[0].name!r} and {file.name!r} are of different kinds")
        _link(file.absolute(), folder / f"{number:06d}{suffix}")
    return folder / f"%06d{suffix}"


def _link(file: Path, link: Path) -> None:
    try:
        link.symlink_to(file)
    except OSError:  # Windows asks for a privilege
        shutil.copyfile(file, link)
