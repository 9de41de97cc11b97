"""`run_frames` {argv, first, last, step?, folder?}: a program for each frame of a chunk, or once for all of it.

The words of `argv` hold placeholders: with `{frame}` the program runs for each frame, with `{start}`, `{end}` and
`{step}` once. `{input}` and `{output}` are folders of that name in the work folder; the program runs in the first,
unless `folder` (absolute) is named. A brace itself is written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed, InvalidSettings
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from millrace.agent.context import Context

_KNOWN = {"frame", "start", "end", "step", "input", "output"}


def run_frames(context: Context, settings: Settings) -> Produced:
    words = settings.texts("argv")
    names = _placeholders(words)
    first, last, step = settings.whole("first"), settings.whole("last"), settings.optional_count("step") or 1
    if not words or first > last:
        raise InvalidSettings(settings.command, "'argv' is empty" if not words else f"frames {first} to {last}")
    folders = {name: context.make_folder(name) for name in ("input", "output")}
    where = settings.optional_text("folder")
    chosen = folders["input"] if where is None else context.path(where)
    if "frame" not in names:
        context.progress(None, f"frames {first}-{last}")
        _run(context, [word.format(start=first, end=last, step=step, **folders) for word in words], chosen)
        return NOTHING
    frames = range(first, last + 1, step)
    for number, frame in enumerate(frames):
        context.progress(100 * number / len(frames), f"frame {frame}")
        try:
            _run(context, [word.format(frame=frame, **folders) for word in words], chosen)
        except CommandFailed as failure:
            raise CommandFailed(f"frame {frame}: {failure}", failure.exit_code) from failure
    return NOTHING


def _run(context: Context, argv: Sequence[str], folder: Path) -> None:
    context.say(" ".join(argv))
    context.run_or_fail(argv[0], argv, folder=folder)


def _placeholders(words: Sequence[str]) -> set[str]:
    """Only plain names are let through: format() would follow attributes of what it is given."""
    try:
        names = {name for word in words for _, name, _, _ in Formatter().parse(word) if name is not None}
    except ValueError as error:
        raise InvalidSettings("run_frames", f"'argv' holds a broken placeholder: {error}") from error
    if not names <= _KNOWN:
        raise InvalidSettings("run_frames", f"unknown placeholder {{{min(names - _KNOWN)}}}")
    return names
