"""Finds Blender, runs it with progress, and tells what went wrong in words that help who made the scene.

Blender ends with exit code 0 also when it could not render: no camera, no denoiser in this build, a disk that is full.
So what counts is that it says `Saved:` for every frame it was asked for.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_USUAL_PLACES = (
    "/Applications/Blender.app/Contents/MacOS/Blender",
    "/snap/bin/blender",
    "/opt/blender*/blender",
    "~/blender*/blender",
    r"C:\Program Files\Blender Foundation\Blender *\blender.exe",
)
_UNSAID = (None, "", "blender", "{blender}")
"""What Flamenco's compilers write when they mean "whichever there is"; the last is a variable without a value."""
PYTHON_FAILED = 42
"""Blender's exit code when a script of ours raised."""
_SHOWN_OF_A_WORD = 200
_FRAME = re.compile(r"Fra:(-?\d+) .*?(?:(?:Sample|Rendered|Rendering) (\d+) ?/ ?(\d+)|$)")
_SHOWN_EVERY_SECONDS = 5.0
_HINTS = {
    "OpenImageDenoise": "this Blender is built without the denoiser: turn denoising off (--no-denoise), or use "
    "the Blender from blender.org",
    "Unable to open a display": "its engine needs a graphics driver, which this machine lacks; CYCLES does not",
    "no camera": "give the scene one, or name one of the file",
    "Cannot read file": "the .blend file is not there, or is damaged",
    "File format is not supported": "the .blend file is damaged, or was saved by a newer Blender",
    "Not enough": "this machine has too little memory for the scene",
    "Out of memory": "this machine has too little memory for the scene",
}


def _in_short(word: str) -> str:
    """For the log: of a script among the words its first line."""
    first = (word.splitlines() or [""])[0][:_SHOWN_OF_A_WORD]
    return word if first == word else first + "…"


def find_blender() -> str | None:
    """The Blender program: $MILLRACE_BLENDER, else on PATH, else where it usually is, the newest; None without one."""
    named = os.environ.get("MILLRACE_BLENDER") or shutil.which("blender")
    if named:
        return named
    found = (path for place in _USUAL_PLACES for path in sorted(glob.glob(os.path.expanduser(place)), reverse=True))
    return next(found, None)


def blender_of(settings: Settings) -> list[str]:
    """The program and its first arguments: what `blender_cmd` says, or the Blender of this machine."""
    named = settings.optional_text("blender_cmd")
    if named not in _UNSAID:
        program = shlex.split(str(named))
        if program and shutil.which(program[0]) is not None:
            return program
        raise CommandFailed(f"{settings.command}: there is no program {named!r} on this machine (blender_cmd)")
    found = find_blender()
    if found is None:
        raise CommandFailed(f"{settings.command}: no Blender: install it, or name it in MILLRACE_BLENDER")
    return [found]


def background(program: Sequence[str], filepath: Path | None) -> list[str]:
    """Blender without a window, without the user's own settings, and with the scripts of the file allowed to run."""
    start = [*program, "--factory-startup", "--enable-autoexec", "-noaudio", "--background"]
    return [*start, *([] if filepath is None else [str(filepath)]), "--python-exit-code", str(PYTHON_FAILED)]


@dataclass
class Listener:
    """Takes Blender's output line by line: into the log, without most of its chatter, and into the task's progress."""

    context: Context
    frames: int
    """How many are expected; 0 when that is not known."""
    saved: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _shown_at: float = -1e9

    def __call__(self, line: str) -> None:
        if line.startswith("Fra:"):
            return self._rendering(line)
        self.context.pass_on(line)
        if line.startswith("Saved: "):
            self.saved.append(line[len("Saved: ") :].strip("'"))
            self.context.progress(self._percent(0.0), f"saved {Path(self.saved[-1]).name}")
        elif re.match(r"(\w*Error: |No device|Unable to open)", line) and not line.startswith(
            "Error: Python: Traceback"
        ):
            self.errors.append(line.removeprefix("Error: ").removeprefix("RuntimeError: "))

    def _rendering(self, line: str) -> None:
        """Dozens of these come for each frame."""
        match = _FRAME.match(line)
        if match is None:
            return
        part = int(match[2]) / int(match[3]) if match[2] and int(match[3]) else 0.0
        sample = f", {match[2]} of {match[3]}" if match[2] else ""
        self.context.progress(self._percent(part), f"frame {match[1]}{sample}")
        if time.monotonic() - self._shown_at >= _SHOWN_EVERY_SECONDS:
            self._shown_at = time.monotonic()
            self.context.pass_on(line)

    def _percent(self, part: float) -> float | None:
        return 100 * (len(self.saved) + part) / self.frames if self.frames else None


def run_blender(context: Context, command: str, argv: Sequence[str], frames: int = 0) -> list[str]:
    """Run Blender to its end; the files it says it saved. `CommandFailed` if those are fewer than `frames`."""
    heard = Listener(context, frames)
    context.say(shlex.join(_in_short(word) for word in argv))
    exit_code = context.run(argv, on_line=heard, quiet_stderr=True)
    if exit_code != 0:
        end = f"killed by signal {-exit_code}" if exit_code < 0 else f"Blender ended with exit code {exit_code}"
        raise CommandFailed(f"{command}: {context.limits_met or _why(heard.errors) or end}", exit_code)
    if len(heard.saved) < frames:
        why = _why(heard.errors) or "Blender does not say why; its log may"
        raise CommandFailed(f"{command}: {len(heard.saved)} of {frames} frames were rendered: {why}", exit_code)
    return heard.saved


def _why(errors: Sequence[str]) -> str | None:
    if not errors:
        return None
    # "script failed, exiting" comes last and says nothing.
    telling = [error for error in errors if not error.startswith(("script failed", "Python: "))] or list(errors)
    hint = next((hint for sign, hint in _HINTS.items() if sign in telling[-1]), None)
    return telling[-1] + (f" ({hint})" if hint else "")
