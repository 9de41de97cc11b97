"""Files that are either wholly there or not at all, also after a power cut."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from millrace.agent.protocol import JsonObject


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path` as one step: readers see the old file or the new one; when this returns it is on disk.
    Raises OSError that names the file; the old one then stands."""
    draft = path.with_name(path.name + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        draft.unlink(missing_ok=True)  # on a full disk its bytes are wanted
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.replace(draft, path)
    _sync_folder(path.parent)


def write_json_durably(path: Path, content: JsonObject) -> None:
    write_durably(path, json.dumps(content).encode())


def read_json(path: Path) -> JsonObject | None:
    """The object in `path`, or None when the file is missing or is not one."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable. Windows has no such call; its rename is journalled."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
