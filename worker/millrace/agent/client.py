"""The worker's half of the native protocol over HTTP: one method per call, errors translated here and nowhere else.

Called from every thread of the agent; connections are kept, and used by one thread at a time (`connections`). Promises:
no redirect is followed with our credentials, and nothing is retried here, for only the caller knows whether a
repetition is still wanted. Dying half way loses at most one answer; every call can be repeated.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import IO
from urllib.parse import quote, urljoin, urlsplit

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ProxyError, SSLError

from millrace import s3
from millrace.agent.connections import Connections, proxy_of
from millrace.agent.errors import NotRecognised, Refused, Unreachable
from millrace.agent.load import Load
from millrace.agent.protocol import Credentials, JsonObject, LeaseId
from millrace.authorities import tls_trouble

ANSWER_SECONDS = 30.0
_BUSY = {429, 500, 502, 503, 504}


class FarmClient:
    """Speaks to one farm. `token` is only used to register; everything else goes under the worker's own secret."""

    def __init__(self, farm_url: str, token: str | None = None) -> None:
        self.farm_url = farm_url.rstrip("/")
        self._token = token
        self._credentials: Credentials | None = None
        self._start: int | None = None
        self._load = Load()
        self._wheel: str | None = None
        self._connections = Connections()

    def use(self, credentials: Credentials) -> None:
        """Speak as this worker from now on."""
        self._credentials = credentials

    def use_token(self, token: str) -> None:
        """Register with this token from now on."""
        self._token = token

    @property
    def token(self) -> str | None:
        """What we register with."""
        return self._token

    def installed_from(self, wheel_sha256: str) -> None:
        """From now on the farm hears what we are, and says when it has another release."""
        self._wheel = wheel_sha256

    def fetch(self, path: str) -> bytes:
        """A small file that the farm gives to everybody, such as `/install/requirements.lock`."""
        url = self.farm_url + path
        response = self._send("GET", url, {}, answer_seconds=300.0)
        if response.status != 200:
            raise _error_of("GET", url, response)
        return _content_of(response)

    def started(self, number: int) -> None:
        """The number of this start goes along from now on: a sign-on that the network brings twice or late is known."""
        self._start = number

    def join(self, body: JsonObject) -> JsonObject:
        """`POST /api/v1/join`: a join token for one of our own. Repeatable with the same nonce."""
        return self._answer("/api/v1/join", body, {})

    def register(self, body: JsonObject) -> JsonObject:
        """`POST /worker`: become a worker of the farm. Not repeatable: a lost answer leaves an unused worker behind."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return self._answer("/worker", body, headers)

    def worker_call(self, action: str, body: JsonObject, answer_seconds: float = ANSWER_SECONDS) -> JsonObject:
        """`POST /worker/{id}/{action}`: contract, renew, log, status, sign-on, sign-off."""
        # The farm's log shows a claim under the id that it also keeps on the task.
        headers = self._basic
        if "request_id" in body:
            headers["X-Request-Id"] = str(body["request_id"])
        if body.get("reports"):  # a farm with too much to do hears of what has ended before it gives out more
            headers["X-Millrace-Reports"] = str(len(body["reports"]))
        if self._start is not None and action in ("sign-on", "sign-off"):
            headers["X-Millrace-Start"] = str(self._start)
        # A header, for managers from before it was thought of refuse a field that they do not know.
        if action in ("contract", "renew") and (load := self._load.text()) is not None:
            headers["X-Millrace-Load"] = load
        if action == "contract" and self._wheel is not None:
            headers["X-Millrace-Wheel"] = self._wheel
        return self._answer(f"/worker/{self._me.worker_id}/{action}", body, headers, answer_seconds)

    def announce_blob(self, size: int, sha256: str) -> JsonObject:
        """`POST /data`: a place to send the bytes to, or `upload: null` when the farm has them already."""
        return self._answer("/data", {"size": size, "sha256": sha256}, self._basic)

    def parts(
        self, action: str, lease: LeaseId, blob: str, about: JsonObject, answer_seconds: float = ANSWER_SECONDS
    ) -> JsonObject:
        """`POST /worker/{id}/parts`: begin, sign, complete or abort the upload of an output in parts."""
        body = {**lease.to_wire(), "blob": blob, "action": action, **about}
        return self.worker_call("parts", body, answer_seconds)

    def open_blob(self, blob: str, offset: int, task: str) -> BaseHTTPResponse:
        """The bytes of a blob from `offset` on, as a stream: 200 from the start, 206 from `offset`, 416 past the end.
        `task`: ours, which reads it; a worker may read nothing else.

        A redirect is followed by hand and without credentials: they are the farm's business, not the object store's.
        """
        range_asked = {"Range": f"bytes={offset}-"} if offset else {}
        url = f"{self.farm_url}/data/{blob}/blob?task={quote(task)}"
        response = self._send("GET", url, {**self._basic, **range_asked}, is_streamed=True)
        if response.status in (301, 302, 303, 307, 308):
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            url, response = target, self._send("GET", target, range_asked, is_streamed=True)
        return _streamed(url, response)

    def locate_objects(self, lease: LeaseId, manifest: str, objects: Sequence[str]) -> list[str]:
        """`POST /worker/{id}/files`: where these objects of a manifest are, in their order."""
        urls = self.worker_call("files", {**lease.to_wire(), "manifest": manifest, "objects": list(objects)}).get(
            "urls"
        )
        if not isinstance(urls, list) or len(urls) != len(objects) or not all(isinstance(url, str) for url in urls):
            raise Unreachable("the farm's answer about files is not what the protocol says")
        return [url if urlsplit(url).scheme else self.farm_url_root + url for url in urls]

    def open_object(self, url: str, offset: int) -> BaseHTTPResponse:
        """The bytes behind a signed URL, as `open_blob` gives them."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return _streamed(url, self._send("GET", url, headers, is_streamed=True))

    def put_bytes(self, url: str, headers: Mapping[str, str], body: IO[bytes], size: int) -> str:
        """Send a blob, or a part, to where the farm said, with exactly the headers it named; answers the ETag, empty if
        there is none. What S3 would refuse after the whole of it was sent is refused before."""
        target = url if urlsplit(url).scheme else self.farm_url_root + url
        if size > s3.REQUEST_BYTES and "X-Amz-" in urlsplit(target).query:
            limit = f"S3 takes up to {s3.REQUEST_BYTES:,} in one request"
            raise Refused(f"{size:,} bytes are too many for a worker to store: {limit}; split the file", 413)
        # Without a length a file would go out chunked, which presigned URLs refuse.
        length = {} if any(name.lower() == "content-length" for name in headers) else {"Content-Length": str(size)}
        response = self._send("PUT", target, {**headers, **length}, body if size else b"", answer_seconds=300.0)
        if response.status >= 300:
            raise _error_of("PUT", target, response)
        return response.headers.get("ETag", "")

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
    def _basic(self) -> dict[str, str]:
        pair = f"{self._me.worker_id}:{self._me.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _answer(
        self, path: str, body: JsonObject, headers: Mapping[str, str], answer_seconds: float = ANSWER_SECONDS
    ) -> JsonObject:
        url, content = self.farm_url + path, json.dumps(body, allow_nan=False).encode()
        headers = {**headers, "Content-Type": "application/json"}
        response = self._send("POST", url, headers, content, answer_seconds=answer_seconds)
        answer = _json_of(response)
        if response.status != 200 or answer is None or answer.get("code", 0) != 0:
            raise _error_of("POST", url, response)
        return answer

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: IO[bytes] | bytes | None = None,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        is_streamed: bool = False,
    ) -> BaseHTTPResponse:
        try:
            return self._connections.send(method, url, headers, body, answer_seconds, is_streamed)
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{method} {_without_query(url)}: {_cause(error, url)}") from error


def _streamed(url: str, response: BaseHTTPResponse) -> BaseHTTPResponse:
    if response.status not in (200, 206, 416):
        with response:
            raise _error_of("GET", url, response)
    return response


def _cause(error: Exception, url: str) -> str:
    if isinstance(error, SSLError):
        return tls_trouble(str(error))
    proxy = proxy_of(url)
    if isinstance(error, ProxyError) and proxy is not None:
        why = _cause(error.original_error, "")
        return (
            f"the proxy {urlsplit(proxy).netloc.rpartition('@')[2]} did not let us through: {why} ({PROXY_VARIABLES})"
        )
    said = str(error).lower()
    return next((words for sign, words in _CAUSES if sign in said), error.__class__.__name__)


PROXY_VARIABLES = "HTTPS_PROXY, HTTP_PROXY, NO_PROXY"
_CAUSES = (
    ("connection refused", "connection refused: nobody listens there"),
    ("badstatusline", "what answers there does not speak HTTP; does the farm's URL begin with https://?"),
    ("handshake operation timed out", "no TLS handshake in time; does the farm's URL begin with http://?"),
    ("remote end closed", "the connection was closed without an answer"),
    ("connection reset", "the connection was cut off"),
    ("name or service not known", "there is no machine of that name"),
    ("temporary failure in name resolution", "the name could not be looked up"),
    ("network is unreachable", "there is no way to that network"),
    ("no route to host", "there is no way to that machine"),
    ("timed out", "no answer in time"),
)
"""What the system says, and what it means to who reads the worker's log."""


def _without_query(url: str) -> str:
    """Presigned URLs carry their right in the query: it must not reach a log."""
    return url.split("?", 1)[0]


def _content_of(response: BaseHTTPResponse) -> bytes:
    try:
        return response.data
    except (HTTPError, OSError):
        return b""


def _json_of(response: BaseHTTPResponse) -> JsonObject | None:
    try:
        answer = json.loads(_content_of(response))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _error_of(method: str, url: str, response: BaseHTTPResponse) -> Exception:
    """The exception for an answer that is no success."""
    status, answer = response.status, _json_of(response)
    what = f"{method} {_without_query(url)}: HTTP {status}"
    if method == "POST" and 300 <= status < 400 and (leads_to := response.headers.get("Location")):
        # Our secret is for the URL that we were given.
        target = _without_query(urljoin(url, leads_to))
        return Unreachable(f"{what} to {target}, which is not followed: is the farm's URL the beginning of that?")
    if status in _BUSY:
        return Unreachable(what, _retry_after(response))
    if method == "PUT" and (passing := s3.LATER.search(_content_of(response))):
        return Unreachable(f"{what}: {passing[0].decode()}")
    if answer is None and method == "POST":
        # A gateway or a captive portal answered, not the farm: nothing may be concluded from its 401 or 404.
        return Unreachable(f"{what}, and not in JSON: is this the farm's URL?")
    said = (answer or {}).get("message") or (answer or {}).get("detail")
    message = f"{what}: {said or _content_of(response).decode('utf-8', 'replace')[:200]}"
    about_us = urlsplit(url).path.rpartition("/worker/")[1] != ""
    kind = NotRecognised if status == 401 or (status == 404 and about_us) else Refused
    return kind(message, status)


def _retry_after(response: BaseHTTPResponse) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
