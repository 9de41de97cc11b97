"""One call to the farm's HTTP API, repeated while that is safe and may help. The only module that speaks HTTP to it.

Repeated, with growing pauses, for `patience_seconds` in all: a refused connection (nothing was sent), 429, 502, 503 and
504; and, if the call says that doing it twice is doing it once, a connection that broke half way.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import requests

from millrace.authorities import tls_trouble
from millrace.sdk.errors import BadRequest, Busy, FarmError, FarmFault, NotAFarm, Unreachable, refusal
from millrace.sdk.sessions import Session
from millrace.sdk.urls import is_farm_url
from millrace.tokens import WRONG, cleaned

TIMEOUT_SECONDS = (5.0, 60.0)
"""To connect; between two pieces of the answer."""

LATER = frozenset({429, 502, 503, 504})
DISTURBANCES = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Patience:
    """Pauses of 0.1, 0.2, 0.4 ... 5 seconds with jitter, until the time is used up."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.pause = 0.1

    def wait(self, at_least: float = 0.0) -> bool:
        """False, at once, when the pause would go beyond the time."""
        seconds = max(at_least, self.pause * random.uniform(0.75, 1.25))
        if time.monotonic() + seconds > self.deadline:
            return False
        time.sleep(seconds)
        self.pause = min(self.pause * 2, 5.0)
        return True


class Breaks:
    """Patience with a transfer that breaks off: it begins with the first break, however long the transfer went well
    before, and anew with each that came later in the content than any before."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.farthest = -1
        self.patience = Patience(seconds)

    def wait(self, done: int) -> bool:
        """It broke off with so much done. False, at once, when it got no farther for too long."""
        if done > self.farthest:
            self.farthest, self.patience = done, Patience(self.seconds)
        return self.patience.wait()


class Credentials(requests.auth.AuthBase):
    """The token, or nothing. Being set, it also keeps requests from sending what ~/.netrc holds for the host."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Calls:
    """Calls to one farm. Not shared between threads."""

    def __init__(self, url: str, token: str | None, patience_seconds: float) -> None:
        if not is_farm_url(url):
            raise NotAFarm(f"{url!r} is not the URL of a farm; one looks like http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self.patience_seconds = patience_seconds
        self.session = Session()
        if token is not None and (token := cleaned(token)) is None:
            raise BadRequest({"status": 400, "detail": WRONG})
        self.session.auth = Credentials(token)

    def json(self, method: str, path: str, *, repeatable: bool, **parts: Any) -> dict[str, Any]:
        """The answer as a JSON object."""
        response = self.send(method, path, repeatable=repeatable, **parts)
        data = _object(response)
        if data is None:
            raise NotAFarm(f"{response.url} did not answer with a JSON object; is {self.url} a Millrace farm?")
        return data

    def send(self, method: str, path: str, *, repeatable: bool, **parts: Any) -> requests.Response:
        """The answer, if it is a success. `parts` are those of requests.request. Raises what errors.py describes."""
        patience = Patience(self.patience_seconds)
        while True:
            outcome = self._once(method, path, repeatable, parts)
            if isinstance(outcome, requests.Response):
                return outcome
            error, at_least = outcome
            if not patience.wait(at_least):
                raise error

    def _once(
        self, method: str, path: str, repeatable: bool, parts: Mapping[str, Any]
    ) -> requests.Response | tuple[FarmError, float]:
        """A success; or an error worth another try, and the least seconds before that. Raises what no try can mend."""
        try:
            wanted = {"timeout": TIMEOUT_SECONDS, **parts}
            response = self.session.request(method, f"{self.url}/api/v1{path}", **wanted)
        except DISTURBANCES as error:
            trouble = Unreachable(f"no farm answers at {self.url}: {cause(error)}")
            if repeatable or never_sent(error):
                return trouble, 0.0
            raise trouble from error
        except requests.RequestException as error:
            raise NotAFarm(f"cannot call {self.url}: {error}") from error
        if response.status_code in (404, 405) and "title" not in (_object(response) or {}):
            # The farm's own API says no in problem documents.
            text = (
                f"{self.url} has no Millrace farm's API ({response.status_code}); its URL is what stands before /api/v1"
            )
            raise NotAFarm(text)
        if response.status_code in LATER:
            return Busy(f"the farm at {self.url} is busy ({response.status_code})"), retry_after(response)
        return successful(response)


def successful(response: requests.Response) -> requests.Response:
    """The response itself, or the error it stands for."""
    status = response.status_code
    if status < 400:
        return response
    problem = _object(response)
    if status >= 500:
        said = problem or {}
        # What stores bytes answers in the worker's words, `message`.
        raise FarmFault(f"the farm failed ({status}): {said.get('detail') or said.get('message') or response.reason}")
    if problem is None:
        raise NotAFarm(f"{response.url} answered {status} without a problem document; is that a Millrace farm?")
    raise refusal({**problem, "status": status})


def _object(response: requests.Response) -> dict[str, Any] | None:
    try:
        data = response.json()
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def retry_after(response: requests.Response) -> float:
    """Seconds the farm asks for; a date or nonsense counts as nothing."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def never_sent(error: Exception) -> bool:
    """True when the connection was not even made, so that nothing can have happened."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


def cause(error: Exception) -> str:
    """The innermost reason, without urllib3's wrapping: "Connection refused"."""
    text = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy did not let us through (HTTPS_PROXY, HTTP_PROXY, NO_PROXY): {_innermost(text)}"
    return _innermost(text) if not isinstance(error, requests.exceptions.SSLError) else tls_trouble(text)


def _innermost(text: str) -> str:
    for sign in ("Connection refused", "Name or service not known", "Network is unreachable", "No route to host"):
        if sign in text:
            return sign.lower()
    if "timed out" in text:
        return "timed out"
    return "unknown host" if "NameResolutionError" in text else "the connection broke"
