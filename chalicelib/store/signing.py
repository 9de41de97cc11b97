"""Signed requests for the folder engine: what a presigned S3 URL is in AWS, in one HMAC.

`files.py` signs, the embedded server verifies before it touches a byte. A signature binds method, key, size, digest,
expiry, content type and file name: whoever holds the URL can do this one thing until then, and nothing else. There is
no state: after a restart with the same secret every URL that has not expired still works.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from chalicelib.core.errors import Forbidden

PREFIX = "/objects/"


@dataclass(frozen=True)
class Grant:
    """What one signed URL allows. `method` is PUT or GET (which serves HEAD too); `expires_at` is in milliseconds."""

    method: str
    key: str
    expires_at: int
    size: int | None = None
    sha256: str | None = None
    content_type: str | None = None
    filename: str | None = None


def signed_url(grant: Grant, secret: bytes) -> str:
    """The path-absolute URL that carries the grant: `/objects/<key>?...&expires=<ms>&signature=<hex>`."""
    fields = {
        "size": grant.size,
        "sha256": grant.sha256,
        "content_type": grant.content_type,
        "filename": grant.filename,
        "expires": grant.expires_at,
    }
    query = {name: str(value) for name, value in fields.items() if value is not None}
    query["signature"] = _signature(grant, secret)
    return f"{PREFIX}{quote(grant.key, safe='/')}?{urlencode(query)}"


def verified_grant(method: str, key: str, query: Mapping[str, str], secret: bytes, now: int) -> Grant:
    """The grant in this query, if its signature is ours and it has not expired; raises Forbidden."""
    if "signature" not in query:
        raise Forbidden("this path needs a signed URL; ask the farm for one")
    grant = _grant_of("GET" if method == "HEAD" else method, key, query)
    if not hmac.compare_digest(_signature(grant, secret).encode(), query["signature"].encode()):
        raise Forbidden("the signature does not fit this method, key and parameters")
    if now >= grant.expires_at:
        raise Forbidden("this signed URL has expired; ask the farm for a new one")
    return grant


def _grant_of(method: str, key: str, query: Mapping[str, str]) -> Grant:
    size, expires = query.get("size"), query.get("expires", "")
    if not _is_count(expires) or not (size is None or _is_count(size)):
        raise Forbidden("expires and size of a signed URL are whole numbers")
    return Grant(
        method=method,
        key=key,
        expires_at=int(expires),
        size=None if size is None else int(size),
        sha256=query.get("sha256"),
        content_type=query.get("content_type"),
        filename=query.get("filename"),
    )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _signature(grant: Grant, secret: bytes) -> str:
    # A JSON list, not a joined string: no file name can shift its characters into the field beside it.
    signed = json.dumps(
        [
            grant.method,
            grant.key,
            grant.size,
            grant.sha256,
            grant.expires_at,
            grant.content_type,
            grant.filename,
        ]
    )
    return hmac.new(secret, signed.encode(), hashlib.sha256).hexdigest()
