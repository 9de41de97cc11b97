"""The token of a person who signed in at the web page: in a cookie that scripts cannot read.

A browser sends its cookies whoever made it ask, so the cookie alone proves nothing. It counts only where no page but
ours can have asked: with a header that other origins cannot send without our leave (we give none), or, for what only
reads, with the browser's own word that the request is of the same origin (links to downloads carry no header of ours).

Browsers say so (`Sec-Fetch-Site`) to https and to loopback only. A farm in a studio's own network is often at plain
http: there they say nothing, and links and pictures of the page would open nothing. So at http the cookie also counts
for what only reads `/api/v1` where the browser is silent: it is SameSite=Strict, so no other site's page makes a
browser send it, what it opens changes nothing, and no other origin's page may look at the answer.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from .guard import SAFE_METHODS
from .http import Request
from .refusals import API

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
    if request.method not in SAFE_METHODS:
        return False
    site = request.headers.get("sec-fetch-site")
    return site == "same-origin" or (site is None and _is_read_at_http(request))


def _is_read_at_http(request: Request) -> bool:
    """Old protocols have GETs that change something; `/api/v1` has none."""
    return request.base_url.startswith("http:") and request.path.startswith(f"{API}/")


def _cookie(request: Request) -> str | None:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and found.value else None


def _attributes(request: Request) -> str:
    secure = "; Secure" if request.base_url.startswith("https:") else ""
    return f"Path=/; HttpOnly; SameSite=Strict{secure}"
