"""Sessions of `requests`: proxies as the environment says, and the authorities of `millrace.authorities`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from millrace.authorities import bundle
from millrace.sdk.urls import LOOPBACK


class Session(requests.Session):
    """Looked at anew for each request, a redirect's included: `requests` by itself knows fewer variables, lets one of
    them override what the session was told, and sends calls to our loopback through a proxy, which cannot reach it."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["verify"] = bundle()
        if urlsplit(request.url or "").hostname in LOOPBACK:
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)
