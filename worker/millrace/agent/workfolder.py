"""The work folder of one attempt, and the rule for names inside it.

Names come from whoever submitted the job: a name that could point outside the folder, on any of our platforms, is
refused before a byte is written.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from millrace.agent.errors import CommandFailed
from millrace.agent.protocol import LeaseId


def checked_name(name: str, what: str) -> str:
    """`name` if it is a plain relative path with `/`; else `CommandFailed` saying what is wrong with this `what`."""
    problem = None
    if not name or len(name) > 1024:
        problem = "must have 1 to 1024 characters"
    elif "\0" in name or "\\" in name:
        problem = "must not contain NUL or a backslash"
    elif name.startswith(("/", "~")) or re.match(r"[A-Za-z]:", name):
        problem = "must be relative to the work folder"
    elif any(part in ("", ".", "..") for part in name.split("/")):
        problem = "must not contain '.', '..' or empty parts"
    if problem:
        raise CommandFailed(f"{what} {name!r} {problem}")
    return name


def inside(folder: Path, name: str, what: str) -> Path:
    """The path of a checked `name` in `folder`; links in between must not lead out of it."""
    path = folder / checked_name(name, what)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise CommandFailed(f"{what} {name!r} leads out of the work folder through a link")
    return path


def make_work_folder(root: Path, lease: LeaseId) -> Path:
    """An empty folder for the attempt, readable by this user only. Left-overs of the same attempt are removed first."""
    folder = root / str(lease)
    remove_folder(folder)
    folder.mkdir(mode=0o700)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove the folder and all in it; a file somebody still holds (Windows) stays until the next start."""
    shutil.rmtree(folder, ignore_errors=True)
