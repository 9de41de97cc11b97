"""Archives and templates go to a bucket before CloudFormation can read them. Each is named by its digest, so the same
one is sent once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from .account import Account
from .errors import DeployFailed
from .stage import code_bucket

MISSING = ("404", "NoSuchBucket", "NoSuchKey", "NotFound")


class CodeBucket:
    """The account's bucket for code in this region; made if it is not there."""

    def __init__(self, account: Account) -> None:
        self._client = account.client("s3")
        self._region = account.region
        self.name = code_bucket(account.id, account.region)
        if not self._is_there():
            self._make()

    def put_archive(self, path: Path, sha256: str) -> dict[str, str]:
        """Where Lambda finds it."""
        key = f"archives/{sha256}.zip"
        self._put(key, path.read_bytes())
        return {"Bucket": self.name, "Key": key}

    def put_bundle(self, path: Path, sha256: str) -> str:
        """The key by which machines of a fleet find what they install."""
        key = f"workers/{sha256}.tar"
        self._put(key, path.read_bytes())
        return key

    def put_template(self, text: str) -> str:
        """Its URL, for CloudFormation."""
        key = f"templates/{hashlib.sha256(text.encode()).hexdigest()}.json"
        self._put(key, text.encode())
        return f"{self._client.meta.endpoint_url}/{self.name}/{key}"

    def _put(self, key: str, data: bytes) -> None:
        if self._head(self._client.head_object, Bucket=self.name, Key=key) is None:
            self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def _is_there(self) -> bool:
        return self._head(self._client.head_bucket, Bucket=self.name) is not None

    def _head(self, call: Any, **where: str) -> Any:
        try:
            return call(**where)
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise DeployFailed(f"the bucket {self.name} cannot be used: {error}") from None

    def _make(self) -> None:
        # S3's oldest region is the one that may not be named.
        place = {} if self._region == "us-east-1" else {"LocationConstraint": self._region}
        self._client.create_bucket(Bucket=self.name, **({"CreateBucketConfiguration": place} if place else {}))
        closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        self._client.put_public_access_block(
            Bucket=self.name, PublicAccessBlockConfiguration=dict.fromkeys(closed, True)
        )
