"""The caller's AWS account: whatever boto3 finds in the environment, profiles or the machine's role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

from .errors import DeployFailed, WrongUse

NO_CREDENTIALS = (
    "no AWS credentials were found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "or run `aws configure` or `aws sso login`."
)


@dataclass(frozen=True)
class Account:
    session: boto3.session.Session
    id: str
    region: str

    def client(self, service: str) -> Any:
        return self.session.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 6}))  # type: ignore[call-overload]


def connect(region: str | None) -> Account:
    """Raises WrongUse without a region, DeployFailed without credentials that AWS accepts."""
    try:
        session = boto3.session.Session(region_name=region)
    except ProfileNotFound as error:
        raise DeployFailed(f"{error}; AWS_PROFILE names a profile of ~/.aws/config") from None
    if session.region_name is None:
        raise WrongUse("no region: give --region, such as --region eu-central-1, or set AWS_DEFAULT_REGION")
    if session.region_name not in session.get_available_regions("cloudformation"):
        raise WrongUse(f"{session.region_name!r} is no region that we know, such as eu-central-1 or us-east-1")
    try:
        identity = session.client("sts").get_caller_identity()
    except NoCredentialsError:
        raise DeployFailed(NO_CREDENTIALS) from None
    except ClientError as error:
        raise DeployFailed(f"AWS does not accept these credentials: {error.response['Error']['Message']}") from None
    except BotoCoreError as error:
        raise DeployFailed(f"AWS cannot be reached: {error}") from None
    return Account(session, str(identity["Account"]), session.region_name)
