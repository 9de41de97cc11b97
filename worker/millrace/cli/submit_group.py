"""`millrace submit` with all types that have a command line of their own."""

from __future__ import annotations

from millrace.cli.submit_blender import submit_blender_render, submit_blender_tiles
from millrace.cli.submit_frames import submit_frames
from millrace.cli.submit_openjd import submit_bundle, submit_openjd
from millrace.cli.submitting import submit

for _type in (submit_frames, submit_blender_render, submit_blender_tiles, submit_openjd, submit_bundle):
    submit.add_command(_type)

__all__ = ["submit"]
