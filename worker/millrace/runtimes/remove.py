"""`remove_file` {path} and `remove_tree` {path}: delete; what is absent already is success, so a repeated task
passes.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context


def remove_file(context: Context, settings: Settings) -> Produced:
    path = context.path(settings.text("path"))
    if path.is_dir() and not path.is_symlink():
        raise CommandFailed(f"remove_file: {str(path)!r} is a folder; remove_tree removes folders")
    path.unlink(missing_ok=True)
    return NOTHING


def remove_tree(context: Context, settings: Settings) -> Produced:
    path = context.path(settings.text("path"))
    if path.resolve() in (context.work.resolve(), path.resolve().parent):
        raise CommandFailed(f"remove_tree: {str(path)!r} may not be removed")
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    return NOTHING
