"""The runtimes: what each command name does. One file each, one registry.

A runtime is a function `(context, settings) -> Produced`; it fails the task by raising `CommandFailed`. Names and
settings of the first group are Flamenco 2's, so that its job compilers' tasks run here unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from millrace.agent.errors import CommandFailed
from millrace.agent.isolation import CONFINED
from millrace.runtimes.audio import blender_render_audio, encode_audio, mux_audio
from millrace.runtimes.blender_render import blender_render, blender_render_progressive
from millrace.runtimes.concatenate_videos import concatenate_videos
from millrace.runtimes.convert_segment import convert_segment
from millrace.runtimes.copy_file import copy_file
from millrace.runtimes.create_python_file import create_python_file
from millrace.runtimes.create_video import create_video
from millrace.runtimes.echo import echo
from millrace.runtimes.encode_track import encode_track
from millrace.runtimes.exec_program import exec_program
from millrace.runtimes.exr_sequence_to_jpeg import exr_sequence_to_jpeg
from millrace.runtimes.function import function
from millrace.runtimes.join_segments import join_segments
from millrace.runtimes.log_a_lot import log_a_lot
from millrace.runtimes.merge_renders import merge_progressive_render_sequence, merge_progressive_renders
from millrace.runtimes.merge_tiles import merge_tiles
from millrace.runtimes.move_aside import move_out_of_way, move_with_counter
from millrace.runtimes.move_to_final import move_to_final
from millrace.runtimes.produced import Produced
from millrace.runtimes.remove import remove_file, remove_tree
from millrace.runtimes.run_frames import run_frames
from millrace.runtimes.run_openjd import run_openjd
from millrace.runtimes.settings import Settings
from millrace.runtimes.sleep import sleep
from millrace.runtimes.split_video import split_video
from millrace.runtimes.transcode_file import transcode_file

if TYPE_CHECKING:
    from millrace.agent.context import Context

Runtime = Callable[["Context", Settings], Produced]

RUNTIMES: dict[str, Runtime] = {
    "echo": echo,
    "log_a_lot": log_a_lot,
    "sleep": sleep,
    "exec": exec_program,
    "create_python_file": create_python_file,
    "copy_file": copy_file,
    "move_to_final": move_to_final,
    "move_out_of_way": move_out_of_way,
    "move_with_counter": move_with_counter,
    "remove_file": remove_file,
    "remove_tree": remove_tree,
    "blender_render": blender_render,
    "blender_render_progressive": blender_render_progressive,
    "blender_render_audio": blender_render_audio,
    "merge_progressive_renders": merge_progressive_renders,
    "merge_progressive_render_sequence": merge_progressive_render_sequence,
    "exr_sequence_to_jpeg": exr_sequence_to_jpeg,
    "create_video": create_video,
    "concatenate_videos": concatenate_videos,
    "encode_audio": encode_audio,
    "mux_audio": mux_audio,
    "function": function,
    "run_frames": run_frames,
    "run_openjd": run_openjd,
    "merge_tiles": merge_tiles,
    "split_video": split_video,
    "convert_segment": convert_segment,
    "encode_track": encode_track,
    "join_segments": join_segments,
    "transcode_file": transcode_file,
}


def run_command(context: Context, name: str, settings: Mapping[str, Any]) -> Produced:
    """Run one command of a task. Raises `CommandFailed`, also for a name that no runtime has."""
    runtime = RUNTIMES.get(name)
    if runtime is None:
        raise CommandFailed(f"unknown command {name!r}; this worker knows {', '.join(sorted(RUNTIMES))}")
    if context.isolation.confines and name not in CONFINED:
        raise CommandFailed(
            f"{name}: this worker keeps tasks apart from itself, and would touch files for this command with its own "
            f"rights; it knows {', '.join(sorted(CONFINED))}"
        )
    try:
        return runtime(context, Settings(name, settings))
    except OSError as error:
        # A missing file, a full disk, no permission: the task's trouble, in the system's words.
        raise CommandFailed(f"{name}: {error}") from error
