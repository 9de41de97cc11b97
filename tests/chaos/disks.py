"""A server's disk: a small one that can be full, and files that may only be read while the server has them open.

Only root can do either; `None` and `False` say that this machine does not allow it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = "260m"
"""A little more than what the farm keeps free for its table."""


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self) -> Iterator[None]:
        """To the last byte."""
        filler = self.folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 65536):
                pass
        try:
            yield
        finally:
            filler.unlink(missing_ok=True)  # there may have been no room for its name

    def remove(self) -> None:
        subprocess.run(["umount", "-l", self.folder], capture_output=True)


def small_disk(folder: Path) -> SmallDisk | None:
    folder.mkdir(parents=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder], capture_output=True)
    return SmallDisk(folder) if made.returncode == 0 else None


@contextmanager
def read_only(files: list[Path]) -> Iterator[bool]:
    """Also for who has them open already. Yields whether it could be done."""
    names = [str(file) for file in files if file.exists()]
    if shutil.which("chattr") is None:
        yield False
        return
    done = subprocess.run(["chattr", "+i", *names], capture_output=True).returncode == 0
    try:
        yield done
    finally:
        subprocess.run(["chattr", "-f", "-i", *names], capture_output=True)
