"""Folders on a disk, changed so that a power cut keeps what was said to be done."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from chalicelib.core.errors import Unavailable


@contextlib.contextmanager
def disk_errors_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the object folder cannot be written: {error.strerror}") from error


def make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    make_folders(folder.parent)
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        folder.mkdir()
    sync_folder(folder.parent)


def removed_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False  # something is in it, again or still
    return True


def sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return  # removed by a delete that took the last file
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
