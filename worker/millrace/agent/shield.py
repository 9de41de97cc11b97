"""Keeps the worker's own memory from the tasks it runs as the same user.

A process may read the environment (`/proc/<pid>/environ`: the farm's token) and the memory of every process of its
user, unless that process says that it may not be dumped. A program that the worker starts may be dumped again: the
system resets it on exec, so tasks are found and debugged as before. Root reads everything all the same; whoever runs
the worker as root gives its tasks another user (`isolation`).
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_DUMPABLE = 4


def shield_memory() -> bool:
    """From now on other processes of this user cannot look into this one. False where the system has no such thing."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def environment_without_secrets() -> dict[str, str]:
    """For processes of ours that outlive a moment and need no secret: all but what the worker is told in confidence."""
    return {name: value for name, value in os.environ.items() if not name.endswith(("_TOKEN", "_SECRET"))}
