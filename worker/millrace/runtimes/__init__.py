"""The runtimes: what each command name does. One file each, one registry.

A runtime is a function `(context, settings) -> Produced`; it fails the task by raising `CommandFailed`. Names and
settings of the first group are Flamenco 2's, so that its job compilers' tasks run here unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from millrace.agent.errors import CommandFailed
from millrace.agent.isolation import CONFINED
from millrace.runtimes.produced import Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

Runtime = Callable[["Context", Settings], Produced]

RUNTIMES: dict[str, str] = {
    "echo": "echo:echo",
    "log_a_lot": "log_a_lot:log_a_lot",
    "sleep": "sleep:sleep",
    "exec": "exec_program:exec_program",
    "create_python_file": "create_python_file:create_python_file",
    "copy_file": "copy_file:copy_file",
    "move_to_final": "move_to_final:move_to_final",
    "move_out_of_way": "move_aside:move_out_of_way",
    "move_with_counter": "move_aside:move_with_counter",
    "remove_file": "remove:remove_file",
    "remove_tree": "remove:remove_tree",
    "blender_render": "blender_render:blender_render",
    "blender_render_progressive": "blender_render:blender_render_progressive",
    "blender_render_audio": "audio:blender_render_audio",
    "merge_progressive_renders": "merge_renders:merge_progressive_renders",
    "merge_progressive_render_sequence": "merge_renders:merge_progressive_render_sequence",
    "exr_sequence_to_jpeg": "exr_sequence_to_jpeg:exr_sequence_to_jpeg",
    "create_video": "create_video:create_video",
    "concatenate_videos": "concatenate_videos:concatenate_videos",
    "encode_audio": "audio:encode_audio",
    "mux_audio": "audio:mux_audio",
    "function": "function:function",
    "run_frames": "run_frames:run_frames",
    "run_openjd": "run_openjd:run_openjd",
    "merge_tiles": "merge_tiles:merge_tiles",
    "split_video": "split_video:split_video",
    "convert_segment": "convert_segment:convert_segment",
    "encode_track": "encode_track:encode_track",
    "join_segments": "join_segments:join_segments",
    "transcode_file": "transcode_file:transcode_file",
}
"""Command: `module:function`. A worker imports what its tasks name."""


def run_command(context: Context, name: str, settings: Mapping[str, Any]) -> Produced:
    """Run one command of a task. Raises `CommandFailed`, also for a name that no runtime has."""
    if name not in RUNTIMES:
        raise CommandFailed(f"unknown command {name!r}; this worker knows {', '.join(sorted(RUNTIMES))}")
    if context.isolation.confines and name not in CONFINED:
        raise CommandFailed(
            f"{name}: this worker keeps tasks apart from itself, and would touch files for this command with its own "
            f"rights; it knows {', '.join(sorted(CONFINED))}"
        )
    try:
        return _runtime(name)(context, Settings(name, settings))
    except OSError as error:
        # A missing file, a full disk, no permission: the task's trouble, in the system's words.
        raise CommandFailed(f"{name}: {error}") from error


def _runtime(name: str) -> Runtime:
    module, _, function = RUNTIMES[name].partition(":")
    runtime: Runtime = getattr(import_module(f"millrace.runtimes.{module}"), function)
    return runtime
