"""The token that a new worker shows where the farm has a registration secret: a JWT signed with that secret. Pure.

`exp` and `iat` are floating seconds: the real worker sends fractions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
from typing import Any

from ...core.errors import BadInput
from ...edge.json_text import strict_json

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
"""All that is accepted; `none` and everything with public keys is not."""
LONGEST = 8192
SKEW_SECONDS = 60
"""How far a worker's clock may be ahead of ours."""


def is_valid(token: str, secret: str, now: float) -> bool:
    """Whether the holder of the secret made this, lately. `now` in seconds since 1970."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST or not token.isascii():
        return False
    try:
        header, claims, signature = _object(parts[0]), _object(parts[1]), _bytes(parts[2])
    except (BadInput, ValueError, binascii.Error):
        return False
    algorithm = header.get("alg")
    digest = _DIGESTS.get(algorithm) if isinstance(algorithm, str) else None
    if digest is None:
        return False
    signed = hmac.new(secret.encode(), f"{parts[0]}.{parts[1]}".encode(), digest).digest()
    return hmac.compare_digest(signed, signature) and _is_current(claims, now)


def made(secret: str, now: float, seconds: float = 900.0) -> str:
    """A token as the worker makes them."""
    head = _text(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
    body = _text(json.dumps({"exp": now + seconds, "iat": now}).encode())
    signature = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_text(signature)}"


def _is_current(claims: dict[str, Any], now: float) -> bool:
    expires, issued = _seconds(claims.get("exp")), _seconds(claims.get("iat", now))
    return expires is not None and issued is not None and now < expires and issued <= now + SKEW_SECONDS


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return None if math.isnan(value) else float(value)


def _object(part: str) -> dict[str, Any]:
    value = strict_json(_bytes(part))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _bytes(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
