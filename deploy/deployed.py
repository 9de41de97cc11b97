"""What is deployed, from the stack's outputs: the farm itself, its URL, and whether it works."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from urllib.parse import urljoin

import requests

from chalicelib.bootstrap import aws_farm
from chalicelib.config import VERSION, Settings
from chalicelib.core import access
from chalicelib.core.farm import Farm

from .account import Account
from .errors import DeployFailed
from .stack import Described, Stack, Tell
from .stage import Stage

START_SECONDS = 180.0
CALL_SECONDS = 60.0
PAUSE_SECONDS = 2.0
FIRST_ADMIN, ANOTHER_ADMIN = "first admin", "another admin"
SMOKE_TEST = "smoke test of a deployment"


def farm_at(account: Account, stage: Stage, tell: Tell) -> Farm:
    """As `farm_of`. Raises DeployFailed where no such stage is deployed."""
    there = Stack(account.client("cloudformation"), stage.stack, tell).describe()
    if there is None:
        raise DeployFailed(f"there is no stack {stage.stack} in {account.region}; deploy it first")
    return farm_of(account, there)


def farm_of(account: Account, there: Described) -> Farm:
    """The farm, spoken to past its API with the caller's own rights."""
    settings = Settings(Path(), there.outputs["TableName"], there.outputs["BucketName"], auth="token")
    return aws_farm(settings, account.session)


def first_token(farm: Farm) -> str | None:
    """A token for the first admin of a farm that has no tokens; None if it has."""
    if access.tokens(farm):
        return None
    return access.make_token(farm, FIRST_ADMIN, ["admin"])[1]


def another_token(farm: Farm) -> str:
    """For an admin who has lost theirs: whoever may write the farm's table is let in, as at the first deployment."""
    return access.make_token(farm, ANOTHER_ADMIN, ["admin"])[1]


def smoke_test(farm: Farm, url: str, tell: Tell) -> None:
    """Does the farm answer, keep strangers out, and take and give bytes? Raises DeployFailed that says what is wrong.

    Leaves a blob of a few bytes: there is nothing that removes one.
    """
    base = url.rstrip("/") + "/"
    made, text = access.make_token(farm, SMOKE_TEST, ["submit"])
    try:
        with requests.Session() as session:
            _answers(session, base)
            _keeps_strangers_out(session, base)
            session.headers["Authorization"] = f"Bearer {text}"
            _moves_bytes(session, base)
    except requests.RequestException as error:
        raise DeployFailed(f"the farm is deployed, but {url} does not work: {error}") from None
    finally:
        access.revoke(farm, made.id)
    tell("The farm answers, keeps strangers out, and takes and gives bytes.")


def _answers(session: requests.Session, base: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        said = _looked_at(session, base)
        if said == VERSION:
            return
        if time.monotonic() > end:
            raise DeployFailed(f"the farm is deployed, but {base} is {said}, not version {VERSION}")
        time.sleep(PAUSE_SECONDS)


def _looked_at(session: requests.Session, base: str) -> str:
    """The version that answers, or what is wrong."""
    try:
        answer = session.get(urljoin(base, "api/v1/farm"), timeout=CALL_SECONDS)
        return str(answer.json()["version"]) if answer.ok else f"answering with status {answer.status_code}"
    except requests.Timeout:
        return "too slow to answer"
    except requests.ConnectionError:
        return "not answering (its name may not be known everywhere yet)"
    except (ValueError, KeyError):
        return "something else than a farm"


def _keeps_strangers_out(session: requests.Session, base: str) -> None:
    status = session.get(urljoin(base, "api/v1/jobs"), timeout=CALL_SECONDS).status_code
    if status != 401:
        raise DeployFailed(f"the farm is deployed, but {base}api/v1/jobs answers a stranger with {status} and not 401")


def _moves_bytes(session: requests.Session, base: str) -> None:
    data = f"{SMOKE_TEST}\n".encode()
    announced = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    blob = _checked(session.post(urljoin(base, "api/v1/blobs"), json=announced, timeout=CALL_SECONDS)).json()
    if upload := blob.get("upload"):
        headers = {**upload["headers"], "Authorization": None}  # the signature in the URL is all that S3 is to see
        _checked(session.request(upload["method"], upload["url"], data=data, headers=headers, timeout=CALL_SECONDS))
    content = urljoin(base, f"api/v1/blobs/{blob['id']}/content")
    if _checked(session.get(content, timeout=CALL_SECONDS)).content != data:
        raise DeployFailed(f"the farm is deployed, but {content} does not give the bytes that were stored")


def _checked(response: requests.Response) -> requests.Response:
    if not response.ok:
        asked = f"{response.request.method} {response.request.url}".partition("?")[0]
        raise DeployFailed(f"the farm is deployed, but {asked} answers {response.status_code}: {response.text[:300]}")
    return response
