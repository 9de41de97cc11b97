"""The worker's half of the native protocol over HTTP: one method per call, errors translated here and nowhere else.

Called from every thread of the agent; each thread has its own `requests` session, so connections are kept and never
shared. Promises: no redirect is followed with our credentials, and nothing is retried here, for only the caller knows
whether a repetition is still wanted. Dying half way loses at most one answer; every call can be repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from millrace.agent.errors import NotRecognised, Refused, Unreachable
from millrace.agent.protocol import JsonObject, LeaseId

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
_BUSY = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Credentials:
    """What registration gave: the worker's id and its secret."""

    worker_id: str
    secret: str


class FarmClient:
    """Speaks to one farm. `token` is only used to register; everything else goes under the worker's own secret."""

    def __init__(self, farm_url: str, token: str | None = None) -> None:
        self.farm_url = farm_url.rstrip("/")
        self._token = token
        self._credentials: Credentials | None = None
        self._start: int | None = None
        self._threads = threading.local()

    def use(self, credentials: Credentials) -> None:
        """Speak as this worker from now on."""
        self._credentials = credentials

    def started(self, number: int) -> None:
        """The number of this start goes along from now on: a sign-on that the network brings twice or late is known."""
        self._start = number

    def register(self, body: JsonObject) -> JsonObject:
        """`POST /worker`: become a worker of the farm. Not repeatable: a lost answer leaves an unused worker behind."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return self._answer("POST", "/worker", body, auth=_NoNetrc(), headers=headers)

    def worker_call(self, action: str, body: JsonObject, answer_seconds: float = ANSWER_SECONDS) -> JsonObject:
        """`POST /worker/{id}/{action}`: contract, renew, log, status, sign-on, sign-off."""
        # The farm's log shows a claim under the id that it also keeps on the task.
        headers = {"X-Request-Id": str(body["request_id"])} if "request_id" in body else {}
        if self._start is not None and action in ("sign-on", "sign-off"):
            headers["X-Millrace-Start"] = str(self._start)
        path = f"/worker/{self._me.worker_id}/{action}"
        return self._answer("POST", path, body, auth=self._basic, headers=headers, answer_seconds=answer_seconds)

    def announce_blob(self, size: int, sha256: str) -> JsonObject:
        """`POST /data`: a place to send the bytes to, or `upload: null` when the farm has them already."""
        return self._answer("POST", "/data", {"size": size, "sha256": sha256}, auth=self._basic)

    def open_blob(self, blob: str, offset: int, task: str) -> requests.Response:
        """The bytes of a blob from `offset` on, as a stream: 200 from the start, 206 from `offset`, 416 past the end.
        `task`: ours, which reads it; a worker may read nothing else.

        A redirect is followed by hand and without credentials: they are the farm's business, not the object store's.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        url = f"{self.farm_url}/data/{blob}/blob?task={quote(task)}"
        response = self._send("GET", url, auth=self._basic, headers=headers, stream=True)
        if response.status_code in (301, 302, 303, 307, 308):
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            response = self._send("GET", target, auth=_NoNetrc(), headers=headers, stream=True)
        if response.status_code not in (200, 206, 416):
            with response:
                raise _error_of(response)
        return response

    def locate_objects(self, lease: LeaseId, manifest: str, objects: Sequence[str]) -> list[str]:
        """`POST /worker/{id}/files`: where these objects of a manifest are, in their order."""
        urls = self.worker_call("files", {**lease.to_wire(), "manifest": manifest, "objects": list(objects)}).get(
            "urls"
        )
        if not isinstance(urls, list) or len(urls) != len(objects) or not all(isinstance(url, str) for url in urls):
            raise Unreachable("the farm's answer about files is not what the protocol says")
        return [url if urlsplit(url).scheme else self.farm_url_root + url for url in urls]

    def open_object(self, url: str, offset: int) -> requests.Response:
        """The bytes behind a signed URL, as `open_blob` gives them."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        response = self._send("GET", url, auth=_NoNetrc(), headers=headers, stream=True)
        if response.status_code not in (200, 206, 416):
            with response:
                raise _error_of(response)
        return response

    def put_bytes(self, url: str, headers: Mapping[str, str], body: IO[bytes], size: int) -> None:
        """Send a blob to where `announce_blob` said, with exactly the headers it named."""
        target = url if urlsplit(url).scheme else self.farm_url_root + url
        # An empty file object would go out chunked, which presigned URLs refuse.
        data: IO[bytes] | bytes = body if size else b""
        with self._send("PUT", target, auth=_NoNetrc(), headers=headers, data=data, answer_seconds=300.0) as response:
            if response.status_code >= 300:
                raise _error_of(response)

    @property
    def farm_url_root(self) -> str:
        """Scheme and host only: a URL that starts with `/` is meant from there."""
        parts = urlsplit(self.farm_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def _me(self) -> Credentials:
        if self._credentials is None:
            raise NotRecognised("not registered yet", 401)
        return self._credentials

    @property
    def _basic(self) -> requests.auth.AuthBase:
        return requests.auth.HTTPBasicAuth(self._me.worker_id, self._me.secret)

    def _answer(
        self,
        method: str,
        path: str,
        body: JsonObject,
        *,
        auth: requests.auth.AuthBase,
        headers: Mapping[str, str] | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> JsonObject:
        url = self.farm_url + path
        with self._send(method, url, auth=auth, headers=headers, json=body, answer_seconds=answer_seconds) as response:
            answer = _json_of(response)
            if response.status_code != 200 or answer is None or answer.get("code", 0) != 0:
                raise _error_of(response)
            return answer

    def _send(self, method: str, url: str, *, answer_seconds: float = ANSWER_SECONDS, **rest: Any) -> requests.Response:
        try:
            timeout = (CONNECT_SECONDS, answer_seconds)
            return self._session.request(method, url, timeout=timeout, allow_redirects=False, **rest)
        except (requests.RequestException, OSError) as error:
            raise Unreachable(f"{method} {_without_query(url)}: {error.__class__.__name__}") from error

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            self._threads.session = requests.Session()
        session: requests.Session = self._threads.session
        return session


class _NoNetrc(requests.auth.AuthBase):
    """Sends no credentials; without it `requests` would look some up in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _without_query(url: str) -> str:
    """Presigned URLs carry their right in the query: it must not reach a log."""
    return url.split("?", 1)[0]


def _json_of(response: requests.Response) -> JsonObject | None:
    try:
        answer = response.json()
    except (ValueError, requests.RequestException):
        return None
    return answer if isinstance(answer, dict) else None


def _error_of(response: requests.Response) -> Exception:
    """The exception for an answer that is no success."""
    status, answer = response.status_code, _json_of(response)
    what = f"{response.request.method} {_without_query(response.url)}: HTTP {status}"
    if status in _BUSY:
        return Unreachable(what, _retry_after(response))
    if answer is None and response.request.method == "POST":
        # A gateway or a captive portal answered, not the farm: nothing may be concluded from its 401 or 404.
        return Unreachable(f"{what}, and not in JSON: is this the farm's URL?")
    message = f"{what}: {(answer or {}).get('message') or response.text[:200]}"
    about_us = urlsplit(response.url).path.rpartition("/worker/")[1] != ""
    kind = NotRecognised if status == 401 or (status == 404 and about_us) else Refused
    return kind(message, status)


def _retry_after(response: requests.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
