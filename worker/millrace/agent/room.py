"""Whether this worker's disk has room for another task. Asked before each claim.

A worker with a full disk would take one task after the other and fail them all, quickly. It takes none instead, is in
error for the farm (its list and webhooks say so), and goes on by itself once there is room again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from millrace.agent.errors import FarmCallError
from millrace.agent.observe import ERROR, say

LEAST_FREE_BYTES = 16 * 1024**2
"""For reports and logs, not for what tasks need: that nobody knows before."""


class Room:
    """The room on the disk of `folder`. `say_status` tells the farm what the worker has become."""

    def __init__(self, folder: Path, say_status: Callable[[str], None]) -> None:
        self._folder = folder
        self._say_status = say_status
        self._is_short = False
        self._is_told = False

    def is_there(self) -> bool:
        """False, and the farm knows, while the disk is full."""
        free = self._free_bytes()
        if free >= LEAST_FREE_BYTES:
            if self._is_short:
                say("room", "The disk has room again: tasks are taken.", folder=self._folder)
            self._is_short = self._is_told = False
            return True
        if not self._is_short:
            text = (
                f"No tasks are taken: the disk is full ({free / 1024**2:.1f} MB free, {LEAST_FREE_BYTES >> 20} needed)"
            )
            say("room", f"{text}. Make room there.", level=ERROR, folder=self._folder)
        self._is_short = True
        if not self._is_told:
            with suppress(FarmCallError):  # it hears with the next look
                self._say_status("error")
                self._is_told = True
        return False

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:  # what is wrong with it, whoever uses it will say
            return LEAST_FREE_BYTES
