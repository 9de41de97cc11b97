"""Sound (Flamenco's commands).

blender_render_audio {filepath, render_output, frame_start?, frame_end?, blender_cmd?}   mix a file's sound to FLAC
encode_audio {input_file, output_file, bitrate, codec, ffmpeg_cmd?}
mux_audio {audio_file, video_file, output_file, ffmpeg_cmd?}                             join without encoding
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.blender import background, blender_of, run_blender
from millrace.runtimes.ffmpeg import ffmpeg_of
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_MIXDOWN = """\
import bpy
scene = bpy.context.scene
start, end = {start}, {end}
scene.frame_start = scene.frame_start if start is None else start
scene.frame_end = scene.frame_end if end is None else end
bpy.ops.sound.mixdown(filepath={target!r}, container="FLAC", codec="FLAC")
"""


def blender_render_audio(context: Context, settings: Settings) -> Produced:
    file, target = _existing(context, settings, "filepath"), context.path(settings.text("render_output"))
    start, end = settings.optional_count("frame_start"), settings.optional_count("frame_end")
    target.parent.mkdir(parents=True, exist_ok=True)
    script = _MIXDOWN.format(start=start, end=end, target=str(target))
    run_blender(context, settings.command, [*background(blender_of(settings), file), "--python-expr", script])
    if not target.is_file():
        raise CommandFailed(f"blender_render_audio: Blender wrote no {target.name!r}; has the scene any sound?")
    return NOTHING


def encode_audio(context: Context, settings: Settings) -> Produced:
    source = _existing(context, settings, "input_file")
    encoding = ["-vn", "-c:a", settings.text("codec"), "-b:a", settings.text("bitrate")]
    return _ffmpeg(context, settings, ["-i", str(source), *encoding])


def mux_audio(context: Context, settings: Settings) -> Produced:
    sound, video = (_existing(context, settings, name) for name in ("audio_file", "video_file"))
    # FLAC in mp4 is what Flamenco's jobs make; some versions of ffmpeg call it experimental.
    streams = ["-map", "1:v:0", "-map", "0:a:0", "-c", "copy", "-strict", "experimental"]
    return _ffmpeg(context, settings, ["-i", str(sound), "-i", str(video), *streams])


def _existing(context: Context, settings: Settings, field: str) -> Path:
    path = context.path(settings.text(field))
    if not path.is_file():
        raise CommandFailed(f"{settings.command}: {str(path)!r} is not a file")
    return path


def _ffmpeg(context: Context, settings: Settings, args: Sequence[str]) -> Produced:
    target = context.path(settings.text("output_file"))
    target.parent.mkdir(parents=True, exist_ok=True)
    argv = [*ffmpeg_of(settings), "-hide_banner", "-nostdin", "-v", "warning", "-y", *args, str(target)]
    context.run_or_fail(settings.command, argv)
    return NOTHING
