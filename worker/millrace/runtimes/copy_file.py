"""`copy_file` {src, dest}: copy a file, making the folders on the way; an existing `dest` is replaced in one step."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from millrace.agent.errors import CommandFailed
from millrace.runtimes.produced import NOTHING, Produced
from millrace.runtimes.settings import Settings

if TYPE_CHECKING:
    from millrace.agent.context import Context

_BLOCK_BYTES = 4 * 1024 * 1024


def copy_file(context: Context, settings: Settings) -> Produced:
    source, target = context.path(settings.text("src")), context.path(settings.text("dest"))
    if not source.is_file():
        raise CommandFailed(f"copy_file: {str(source)!r} is not a file")
    if target.is_dir():
        raise CommandFailed(f"copy_file: 'dest' {str(target)!r} is a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.copying")
    try:
        with open(source, "rb") as reader, open(draft, "wb") as writer:
            while block := reader.read(_BLOCK_BYTES):
                writer.write(block)
                context.wait(0)
        shutil.copystat(source, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return NOTHING
