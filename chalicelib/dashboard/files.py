"""The page's files as the package holds them: small, read once, compressed once."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Also the list of what is served: nothing else in the folder is."""


@dataclass(frozen=True)
class StaticFile:
    content_type: str
    data: bytes
    compressed: bytes
    etag: str


@cache
def found() -> dict[str, StaticFile]:
    """By name. Names are looked up here and nowhere else, so none leads out of the folder."""
    paths = sorted(path for path in FOLDER.iterdir() if path.suffix in CONTENT_TYPES)
    return {path.name: _read(path) for path in paths}


@cache
def version() -> str:
    """Stands in every file's URL, so that a browser keeps files for good and never mixes those of two releases."""
    digest = hashlib.sha256()
    for name, file in found().items():
        digest.update(f"{name} {file.etag}\n".encode())
    return digest.hexdigest()[:12]


def modules() -> list[str]:
    """What the page starts with; the charts are fetched by the pages that have some."""
    return [
        name for name in found() if name.endswith(".js") and name not in ("theme.js", "uPlot.esm.js", "hash_worker.js")
    ]


def _read(path: Path) -> StaticFile:
    data = path.read_bytes()
    etag = f'"{hashlib.sha256(data).hexdigest()[:24]}"'
    return StaticFile(CONTENT_TYPES[path.suffix], data, gzip.compress(data, mtime=0), etag)
