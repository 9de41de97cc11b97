"""From the outputs that an assignment asks for to the files they are. No upload here (`transfer`).

An output is a file name in the work folder, or a pattern: `*`, `?` and `[…]` stand for characters within one part of a
name, `**` for any number of parts. Of what contains `/./` only the part after it is the output's name:
`output/./**` publishes everything below `output` under its name there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from millrace.agent.errors import CommandFailed
from millrace.agent.workfolder import checked_name, inside

MOST_OUTPUTS = 1000
"""What one report may hold."""
MOST_NAME_CHARACTERS = 200


def gathered(wanted: Iterable[str], work: Path) -> dict[str, Path]:
    """Name -> file for all outputs, in the order asked for, those of a pattern by name.

    `CommandFailed` when one was not produced, a pattern fits nothing, or two files would have the same name.
    """
    found: dict[str, Path] = {}
    for one in dict.fromkeys(wanted):
        folder, dotted, rest = one.partition("/./")
        root, name = (inside(work, folder, "output folder"), rest) if dotted else (work, one)
        if not root.resolve().is_relative_to(work.resolve()):
            raise CommandFailed(f"output folder {folder!r} leads out of the work folder through a link")
        for file_name in _names(root, name, one):
            path = inside(root, file_name, "output")
            if found.setdefault(file_name, path) != path:
                raise CommandFailed(f"output {file_name!r} is there twice: {found[file_name]} and {path}")
    if len(found) > MOST_OUTPUTS:
        raise CommandFailed(f"{len(found)} files fit the outputs; a task can return {MOST_OUTPUTS}: make it smaller")
    return found


def _names(root: Path, name: str, shown: str) -> Sequence[str]:
    pattern = checked_name(name, "output").split("/")
    if not any(sign in name for sign in "*?["):
        if not (root / name).is_file() or (root / name).is_symlink():
            raise CommandFailed(f"output {name!r} was not produced")
        return [name]
    names = sorted(path for path in _files_below(root) if _fits(path.split("/"), pattern))
    if not names:
        there = ", ".join(sorted(_files_below(root))[:5]) or "nothing"
        raise CommandFailed(f"no output fits {shown.replace('/./', '/')!r}; the command left {there} there")
    for one in names:
        if len(one) > MOST_NAME_CHARACTERS:
            raise CommandFailed(f"output {one!r}: a name may have {MOST_NAME_CHARACTERS} characters, not {len(one)}")
    return names


def _files_below(root: Path) -> Iterator[str]:
    """Relative, with `/`. Links are passed over: they may lead anywhere."""
    for folder, _, files in os.walk(root):
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                yield path.relative_to(root).as_posix()


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a name fit. All ways through the pattern are followed at once: tried one after the other,
    thirty `**` would take longer than any lease."""
    reached = _past_any(pattern, {0})
    for part in parts:
        passed = {
            at if pattern[at] == "**" else at + 1
            for at in reached
            if at < len(pattern) and (pattern[at] == "**" or fnmatchcase(part, pattern[at]))
        }
        reached = _past_any(pattern, passed)
    return len(pattern) in reached


def _past_any(pattern: Sequence[str], reached: set[int]) -> set[int]:
    """These places in the pattern, and those behind them that `**` lets in without taking a part."""
    found = set(reached)
    for at, one in enumerate(pattern):
        if at in found and one == "**":
            found.add(at + 1)
    return found
