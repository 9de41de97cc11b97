"""Which paths the files of a job may have: those that every platform of a worker can hold, and holds as one file each.

The manager asks the same (`core/file_paths.py`). The worker trusts it with nothing on its own disk, so it asks
again; the tests hold both to one list of paths.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 1024
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL)
_SIGNS = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')


def wrong_with(path: str) -> str | None:
    """What is wrong with it, as the end of a sentence; None if it is a plain relative path."""
    if not path or len(path) > LONGEST:
        return f"must have 1 to {LONGEST} characters"
    if found := _SIGNS.search(path):
        return f"must not contain {found[0]!r}"
    if path.startswith(("/", "~")):
        return "must be relative"
    if any("\ud800" <= sign <= "\udfff" for sign in path):
        return "is not valid Unicode"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "must not contain '.', '..' or empty parts"
        if part.endswith((".", " ")):
            return f"has a part that ends with {part[-1]!r}, which Windows drops"
        if len(part.encode()) > 255:
            return "has a part of more than 255 bytes"
        if _DEVICE.fullmatch(part):
            return f"names the Windows device {part!r}"
    return None


def clashes(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two that are one to a file system which ignores case or Unicode form; or a file that is another's folder."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = _folded(path)
        if folded in files:
            return files[folded], path
        files[folded] = path
        parent = path.rpartition("/")[0]
        while parent and _folded(parent) not in folders:
            folders[_folded(parent)] = parent
            parent = parent.rpartition("/")[0]
        if parent and folders[_folded(parent)] != parent:
            return folders[_folded(parent)], parent
    return next(((folder, files[folded]) for folded, folder in folders.items() if folded in files), None)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
