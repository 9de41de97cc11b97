"""`./millrace destroy`: the stack goes; its data stays unless that was said."""

from __future__ import annotations

from botocore.exceptions import ClientError

from . import fleet
from .account import Account
from .errors import DeployFailed
from .stack import Stack, Tell
from .stage import Stage


def destroy(account: Account, stage: Stage, *, data_too: bool, tell: Tell) -> None:
    """Returns when nothing of the stack is left. May be repeated, also to remove the data that an earlier one left."""
    stack = Stack(account.client("cloudformation"), stage.stack, tell)
    there = stack.describe()
    if there is None:
        tell(f"There is no stack {stage.stack}.")
    else:
        tell(f"Removing the stack {stage.stack} ...")
        if there.parameters.get("Fleet") == "yes":
            fleet.end(account, stage)
        stack.delete()
    bucket = stage.bucket(account.id, account.region)
    if not data_too:
        tell(f"Kept: the table {stage.table} and the bucket {bucket}; the next deployment takes them up again.")
        return
    _delete_table(account, stage.table, tell)
    _delete_bucket(account, bucket, tell)


def _delete_table(account: Account, table: str, tell: Tell) -> None:
    client = account.client("dynamodb")
    try:
        client.update_table(TableName=table, DeletionProtectionEnabled=False)
        client.delete_table(TableName=table)
        client.get_waiter("table_not_exists").wait(TableName=table)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise DeployFailed(f"the table {table} could not be deleted: {error}") from None
    tell(f"The table {table} is gone.")


def _delete_bucket(account: Account, bucket: str, tell: Tell) -> None:
    """S3 deletes only empty buckets, and an object only with its versions, if there are any."""
    client = account.client("s3")
    try:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            if objects:
                client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        client.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise DeployFailed(f"the bucket {bucket} could not be deleted: {error}") from None
    tell(f"The bucket {bucket} is gone.")
