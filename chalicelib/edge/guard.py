"""What no web page may do: drive a farm through the browser of somebody who can reach it.

An open farm trusts whoever reaches its door, and a browser reaches every door of its machine. So an open farm answers
only to loopback names (or a page could rebind its own name to 127.0.0.1), and to no request that a foreign page made.
On a farm with tokens a browser may still hold credentials (HTTP Basic), so foreign pages may change nothing there.

`make_guard` gives the function that the embedded server calls before anything else; on Lambda and in `chalice local`
the middleware calls it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from .refusals import refusal

Refused = tuple[int, Mapping[str, Any]]
Guard = Callable[[str, str, Mapping[str, str], str], Refused | None]
"""(method, path, headers in lower case, peer address) -> None, or the status and JSON body of a refusal."""

SAFE_METHODS = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


def make_guard(auth: str, allow_ip_hosts: bool = False) -> Guard:
    """`auth`: `open` or `token`. `allow_ip_hosts`: an open farm answers to any IP address, not only to loopback."""

    def open_farm(method: str, path: str, headers: Mapping[str, str], peer: str) -> Refused | None:
        host = headers.get("host", "")
        if not host:
            return _refused(path, 400, "the request has no Host header")
        if not _is_ours(host, allow_ip_hosts):
            return _refused(path, 403, "this farm is open, so it answers only to localhost and loopback addresses")
        return _refused(path, 403, _FOREIGN) if _is_foreign(headers) else None

    def farm_with_tokens(method: str, path: str, headers: Mapping[str, str], peer: str) -> Refused | None:
        changes = method not in SAFE_METHODS
        return _refused(path, 403, _FOREIGN) if changes and _is_foreign_to_a_proxied_farm(headers) else None

    return open_farm if auth == "open" else farm_with_tokens


_FOREIGN = "a page of another site may not call this farm"


def _refused(path: str, status: int, message: str) -> Refused:
    return status, refusal(path, status, message).body


def _is_ours(host: str, allow_ip_hosts: bool) -> bool:
    """Loopback, by name or by address, with any port. Another name may be anybody's, whatever it resolves to."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["six"] or match["name"]
    if match["six"] is None and name.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return (address.is_loopback or allow_ip_hosts) and (address.version == 6) == (match["six"] is not None)


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Another port of this machine is the same site, but another program's pages: only our own origin counts."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    own = f"{headers.get('x-forwarded-proto', 'http')}://{headers.get('host', '')}"
    if origin is not None and origin.lower() != own.lower():
        return True
    return site not in (None, "same-origin", "none") and not (site == "same-site" and origin is not None)


def _is_foreign_to_a_proxied_farm(headers: Mapping[str, str]) -> bool:
    """A proxy may change Host and scheme, so the browser's own word on the matter comes first."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()
