"""The token of a person who signed in at the web page: in a cookie that scripts cannot read.

A browser sends its cookies whoever made it ask, so the cookie alone proves nothing. It counts only where no page but
ours can have asked: with a header that other origins cannot send without our leave (we give none), or, for what only
reads, with the browser's own word that the request is of the same origin (links to downloads carry no header of ours).
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from .guard import SAFE_METHODS
from .http import Request

COOKIE = "millrace_token"
PAGE_HEADER = "x-millrace-page"
SECONDS = 30 * 24 * 3600
"""How long a browser keeps it. A token that is revoked opens nothing from then on, whoever keeps it."""


def token_of(request: Request) -> str | None:
    return _cookie(request) if _asked_by_our_page(request) else None


def kept(request: Request, token: str) -> str:
    """The Set-Cookie header that makes this browser send the token from now on."""
    return f"{COOKIE}={token}; Max-Age={SECONDS}; {_attributes(request)}"


def forgotten(request: Request) -> str:
    return f"{COOKIE}=; Max-Age=0; {_attributes(request)}"


def _asked_by_our_page(request: Request) -> bool:
    if request.headers.get(PAGE_HEADER) == "1":
        return True
    return request.method in SAFE_METHODS and request.headers.get("sec-fetch-site") == "same-origin"


def _cookie(request: Request) -> str | None:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and found.value else None


def _attributes(request: Request) -> str:
    secure = "; Secure" if request.base_url.startswith("https:") else ""
    return f"Path=/; HttpOnly; SameSite=Strict{secure}"
