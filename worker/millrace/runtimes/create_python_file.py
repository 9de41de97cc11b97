"""`create_python_file` {filepath, contents}: write a script, such as the overrides of a .blend file (Flamenco's
command). An existing file is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millrace.agent.errors import InvalidSettings
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def create_python_file(context: Context, settings: Settings) -> Produced:
    path, contents = context.path(settings.text("filepath")), settings.optional_text("contents") or ""
    if path.suffix != ".py":
        raise InvalidSettings(settings.command, f"'filepath' is {str(path)!r} (expected a name that ends in .py)")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contents, encoding="utf-8")
    return NOTHING
