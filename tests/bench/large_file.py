"""A file of many bytes that nothing can make smaller."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

PIECE = 1024 * 1024


def large_file(path: Path, megabytes: int) -> tuple[Path, str]:
    """It, and its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(megabytes):
            piece = os.urandom(PIECE)
            digest.update(piece)
            file.write(piece)
    return path, digest.hexdigest()
