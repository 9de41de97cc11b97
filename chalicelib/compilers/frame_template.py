"""Command lines with placeholders: `povray +K{frame:04d} scene.pov +O{output}/f{frame}.png`.

What may stand in braces is Python's format syntax and no more of it than this: a number with an optional width
(`{frame}`, `{frame:4}`, `{frame:04d}`), or a folder. A brace itself is written twice, also for a variable of the
farm: `{{kick}}` leaves `{kick}`. The worker fills them in, after the manager the variables (`core.path_mapping`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter

EACH_FRAME = frozenset({"frame"})
"""The command runs once for each frame of a chunk."""
WHOLE_CHUNK = frozenset({"start", "end", "step"})
"""The command runs once for the chunk."""
FOLDERS = frozenset({"input", "output"})
"""Of the task, on the worker: where its files are laid, and where it puts what it makes."""
_WIDTH = re.compile(r"0?[0-9]{0,2}d?")
_KNOWN = ("frame", "start", "end", "step", "input", "output")


def placeholders_in(words: Sequence[str]) -> frozenset[str]:
    """The names that these words use. Raises ValueError that names the word and what is wrong in it."""
    return frozenset(name for number, word in enumerate(words, 1) for name in _names_in(word, f"word {number}"))


def _names_in(word: str, where: str) -> list[str]:
    try:
        parsed = list(Formatter().parse(word))
    except ValueError as error:
        raise ValueError(f"{where}, {word!r}: {error}; a brace itself is written twice") from None
    names = []
    for _, name, width, conversion in parsed:
        if name is None:
            continue
        shown = f"{{{name}}}"
        if name not in _KNOWN:
            known = ", ".join(f"{{{one}}}" for one in _KNOWN)
            raise ValueError(
                f"{where}, {word!r}: unknown placeholder {shown}; there are {known}; "
                "a brace itself is written twice, as in {{blender}} for a variable of the farm"
            )
        if conversion or (width and (name in FOLDERS or not _WIDTH.fullmatch(width))):
            right = "it takes no format" if name in FOLDERS else f"only a width is possible, as in {{{name}:04d}}"
            raise ValueError(f"{where}, {word!r}: {shown} cannot be written like that; {right}")
        names.append(name)
    return names
