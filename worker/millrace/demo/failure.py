"""Why a demo ended early."""

from __future__ import annotations

from pathlib import Path


class DemoFailed(Exception):
    """The demo could not go on. The message is for the person who started it; `log` may tell more."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log

    @property
    def last_lines(self) -> list[str]:
        """The end of the log, if there is one."""
        if self.log is None or not self.log.is_file():
            return []
        return self.log.read_text(errors="replace").splitlines()[-15:]
