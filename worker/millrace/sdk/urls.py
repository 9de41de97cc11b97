"""What is a farm's URL. Imports nothing of the client, for those who only look at what they were given."""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""No proxy can reach ours, and desktops seldom list it in NO_PROXY."""


def is_farm_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Behind `#` or `?` is a page of the farm's, copied from a browser.
        plain = not parts.query and not parts.fragment and not any(sign in url for sign in "#? \t\r\n")
        return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
