"""Size and SHA-256 that a client announces, and what happens when the bytes turn out to be others. For both engines."""

from __future__ import annotations

import re

from chalicelib.core.ports import ObjectMismatch

_DIGEST = re.compile(r"[0-9a-f]{64}")


def checked_announcement(size: int, sha256: str) -> None:
    """Raises ValueError unless this can be the size and the digest of something."""
    if size < 0:
        raise ValueError(f"the size of an object is a count of bytes, not {size}")
    if not _DIGEST.fullmatch(sha256):
        raise ValueError(f"a SHA-256 is 64 lower-case hex digits, not {sha256[:80]!r}")


def check_arrived(actual_size: int, actual_sha256: str, *, size: int | None, sha256: str | None) -> None:
    """Raises ObjectMismatch, naming both sides, unless what arrived is what was announced (None: nothing was)."""
    if size is not None and actual_size != size:
        raise ObjectMismatch(f"announced {size} bytes, but {actual_size} came")
    if sha256 is not None and actual_sha256 != sha256:
        raise ObjectMismatch(f"announced sha256 {sha256}, but the bytes have {actual_sha256}")


def check_not_longer(so_far: int, size: int | None) -> None:
    """While bytes still come: raises ObjectMismatch as soon as there are too many, not after the last terabyte."""
    if size is not None and so_far > size:
        raise ObjectMismatch(f"announced {size} bytes, but at least {so_far} came")
