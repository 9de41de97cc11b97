"""How the secrets of workers are kept: never as they are, and so that none can be found from what is kept.

A secret that is random enough (128 bits, with a margin, since only an estimate can be made) is kept as a keyed SHA-256
under a key of its own: there is nothing to guess, and it is checked on every call. A weaker one, which some protocols
let people choose, is stretched by scrypt. Which of the two, only the presented secret decides, so that an answer takes
as long for a worker that does not exist as for one that does. A secret that was found right is remembered, for a worker
shows it every few seconds; what was found wrong costs the same work each time, whoever is asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
import zlib
from collections import Counter

RANDOM, CHOSEN = "sha256", "scrypt"
"""The first word of what is kept."""
ENOUGH_BITS = 160
_NO_KEY = bytes(16)


def kept(secret: str) -> str:
    """`kind:key:hash`, for the worker's item."""
    key = secrets.token_bytes(16)
    kind = kind_of(secret)
    return f"{kind}:{key.hex()}:{_hash(kind, key, secret)}"


def fits(kept: str | None, secret: str) -> bool:
    """Whether that is the secret; in constant time. None, for a worker without a secret, fits nothing."""
    if _found_right.knows(kept, secret):
        return True
    kind, key, digest = _parts(kept)
    shown = kind_of(secret)
    found = _hash(shown, key if shown == kind else _NO_KEY, secret)
    right = hmac.compare_digest(found, digest) and shown == kind
    if right:
        _found_right.remember(kept, secret)
    return right


def kind_of(secret: str) -> str:
    return RANDOM if _bits(secret) >= ENOUGH_BITS else CHOSEN


def _bits(secret: str) -> float:
    """At most so much can be random in it: by how its characters are spread, and by how far it can be compressed."""
    data = secret.encode("utf-8", "replace")
    if not data:
        return 0.0
    spread = -sum(count * math.log2(count / len(data)) for count in Counter(data).values())
    return min(spread, 8.0 * (len(zlib.compress(data, 9)) - 11))


def _parts(kept: str | None) -> tuple[str, bytes, str]:
    kind, _, rest = (kept or "").partition(":")
    key, _, digest = rest.partition(":")
    try:
        return kind, bytes.fromhex(key) or _NO_KEY, digest
    except ValueError:
        return "", _NO_KEY, ""


def _hash(kind: str, key: bytes, secret: str) -> str:
    data = secret.encode("utf-8", "replace")
    if kind == RANDOM:
        return hmac.new(key, data, hashlib.sha256).hexdigest()
    return hashlib.scrypt(data, salt=key, n=2**14, r=8, p=1, dklen=32).hex()  # some 50 ms and 16 MB


class _FoundRight:
    """Which secrets this process has found right, by what is kept of them. It remembers a digest under a key
    of its own, not the secret."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._digests: dict[str, bytes] = {}

    def knows(self, kept: str | None, secret: str) -> bool:
        return hmac.compare_digest(self._digests.get(kept or "", b""), self._digest(secret))

    def remember(self, kept: str | None, secret: str) -> None:
        with self._lock:
            if len(self._digests) >= self._most:
                self._digests.pop(next(iter(self._digests)))
            self._digests[kept or ""] = self._digest(secret)

    def _digest(self, secret: str) -> bytes:
        return hmac.new(self._key, secret.encode("utf-8", "replace"), hashlib.sha256).digest()


_found_right = _FoundRight(most=16_384)
