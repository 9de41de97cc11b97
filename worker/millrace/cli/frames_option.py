"""`--frames FRAMES`, looked at before anything is uploaded for it. The farm has the last word (`frame_ranges.py`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_PART = re.compile(r"(-?\d+)(?:\s*-\s*(-?\d+)(?:\s*x\s*(\d+))?)?")


def checked_frames(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    for part in (text or "").split(",") if text is not None else ():
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise click.BadParameter(f"{part.strip()!r} is no frame range; write 5, or 1-250, or 1-250x2")
        if match[2] and int(match[1]) > int(match[2]):
            step = f"x{match[3]}" if match[3] else ""
            raise click.BadParameter(f"{part.strip()!r} goes backwards; write {match[2]}-{match[1]}{step}")
    return text


def frames_option(function: F) -> F:
    return click.option(
        "--frames",
        required=True,
        metavar="FRAMES",
        callback=checked_frames,
        help="Such as 1-250, or 1-250,300,310-320x2.",
    )(function)
