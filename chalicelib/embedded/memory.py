"""How two thousand threads take memory without keeping it from one another.

glibc's allocator is made for a few threads that allocate all the time. Here each connection has a thread, and one at a
time runs Python. By itself glibc makes eight heaps for each core, and lets every thread keep some of what it has freed
for itself: what one connection leaves is of no use to the others. With a thousand workers that was 250 MB after five
minutes and rising; with two heaps and no such keeping it is 160 MB and stays there, at the same speed
(docs/embedded-server.md).

The allocator reads this once, when a program starts, and has no call for the second part; so the program starts itself
again, before it has read anything large.
"""

from __future__ import annotations

import os
import sys

TUNABLES = {"glibc.malloc.arena_max": "2", "glibc.malloc.tcache_count": "0"}
"""Of the GNU C Library manual, "Memory Allocation Tunables"."""


def begin_again_sharing() -> None:
    """Replaces this process by the same program under `TUNABLES`, or returns: where they hold already, where an
    operator has chosen otherwise, and where there is no glibc. Process id, standard streams and inherited descriptors
    stay."""
    wanted = tunables(os.environ.get("GLIBC_TUNABLES", ""))
    if wanted is None or not _has_glibc():
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "GLIBC_TUNABLES": wanted})


def tunables(given: str) -> str | None:
    """`given` and what it does not say yet; None if it says it all."""
    chosen = {setting.partition("=")[0] for setting in given.split(":")}
    missing = [f"{name}={value}" for name, value in TUNABLES.items() if name not in chosen]
    return ":".join([given, *missing] if given else missing) if missing else None


def _has_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (ValueError, OSError, AttributeError):
        return False
