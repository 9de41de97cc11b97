"""Where a demo lives: a folder per run below the user's cache, never in the checkout."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

KEEP_SECONDS = 7 * 24 * 3600


def cache() -> Path:
    """The user's cache folder for Millrace, as each system has it."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "millrace"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "millrace" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "millrace"


def new_run() -> Path:
    """A new, empty folder. Runs of more than a week ago go: their videos are large, and can be made again."""
    demos = cache() / "demo"
    demos.mkdir(parents=True, exist_ok=True)
    for old in demos.iterdir():
        if old.stat().st_mtime < time.time() - KEEP_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=demos))


def leave_only(run: Path, kept: Path) -> None:
    """Remove everything of a run but this path within it."""
    for path in run.iterdir():
        if path == kept or path in kept.parents:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
