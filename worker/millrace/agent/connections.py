"""Kept connections to the farm and its object store. urllib3 alone: with `requests` around it each worker would take
five megabytes more, and each call half a millisecond.

Proxies and authorities are what `requests` would use, so that one environment serves all of Millrace. Proxies are rare
in render rooms: only where one is named is `requests` imported, and asked. Safe to call from several threads.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout
from urllib3.util import make_headers, parse_url

from millrace.authorities import bundle
from millrace.sdk.urls import LOOPBACK

CONNECT_SECONDS = 5.0
_KEPT_PER_HOST = 16
_BLOCK_BYTES = 256 * 1024


class Connections:
    """Sends requests. No redirect is followed, nothing is repeated; raises urllib3's `HTTPError` and `OSError`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str | None, PoolManager] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: IO[bytes] | bytes | None,
        answer_seconds: float,
        is_streamed: bool,
    ) -> BaseHTTPResponse:
        """One request. A streamed answer is the caller's to read and to close, another one has been read."""
        return self._pool(proxy_of(url), urlsplit(url).scheme).request(
            method,
            url,
            body=body,
            headers=dict(headers),
            timeout=Timeout(connect=CONNECT_SECONDS, read=answer_seconds),
            retries=False,
            redirect=False,
            preload_content=not is_streamed,
        )

    def _pool(self, proxy: str | None, scheme: str) -> PoolManager:
        key = f"{scheme} {proxy}"
        with self._lock:
            if key not in self._pools:
                self._pools[key] = _new_pool(proxy, scheme)
            return self._pools[key]


def _new_pool(proxy: str | None, scheme: str) -> PoolManager:
    options: dict[str, Any] = {"maxsize": _KEPT_PER_HOST, "blocksize": _BLOCK_BYTES}
    if scheme == "https" or (proxy or "").startswith("https"):
        options |= _authorities()
    if proxy is None:
        return PoolManager(**options)
    login = parse_url(proxy).auth
    # In a URL some characters of a password can only stand encoded.
    headers = make_headers(proxy_basic_auth=unquote(login)) if login else None
    return ProxyManager(proxy, proxy_headers=headers, **options)


def _authorities() -> dict[str, str]:
    named = bundle()
    return {"ca_cert_dir" if os.path.isdir(named) else "ca_certs": named}


def proxy_of(url: str) -> str | None:
    """The proxy for this URL. Where the system keeps proxies (Windows, macOS), that is asked too."""
    if urlsplit(url).hostname in LOOPBACK:
        return None
    if sys.platform.startswith("linux") and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    return None if not proxy else str(proxy if "://" in proxy else f"http://{proxy}")
