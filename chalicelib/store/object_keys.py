"""Which keys an object may have. Both engines ask here, so that a key that works on one machine works in AWS."""

from __future__ import annotations

MAX_KEY_BYTES = 900
"""S3 takes 1,024 bytes; the rest is left to a bucket's prefix."""


def checked_key(key: str) -> str:
    """The key itself if it is a relative path of plain segments; otherwise ValueError that says what is wrong."""
    if not key:
        raise ValueError("an object key is empty")
    if any(ord(character) < 32 or character in "\\\x7f" for character in key):
        raise ValueError(f"object key {key!r} holds a control character or a backslash")
    if len(_utf8(key)) > MAX_KEY_BYTES:
        raise ValueError(f"an object key has at most {MAX_KEY_BYTES} bytes; this one starts with {key[:40]!r}")
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            raise ValueError(f"object key {key!r} has a segment {segment!r}; keys are relative, like 'blobs/<sha256>'")
    return key


def checked_range(offset: int, length: int | None) -> None:
    """Raises ValueError unless both are counts of bytes."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"offset and length are counts of bytes, not {offset} and {length}")


def _utf8(key: str) -> bytes:
    try:
        return key.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"object key {key!r} is not valid Unicode") from None
