"""A stack brought to a template: the one change that a deployment makes in an account, and what it never does there."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from botocore.exceptions import ClientError

from . import fleet
from .account import Account
from .errors import DeployFailed
from .stack import Change, Described, Stack, Tell
from .stage import Stage

DATA = ("Table", "Bucket")
"""The resources that hold what nobody could make again."""


def brought_to(account: Account, stage: Stage, url: str, parameters: dict[str, str], tell: Tell) -> Described:
    """The stage's stack as the template at `url` has it; parameters that are not given stay as they are. The data of a
    stack that was destroyed is taken up again. Raises DeployFailed; then the stack is as it was."""
    stack = Stack(account.client("cloudformation"), stage.stack, tell)
    there = stack.made_ready()
    if there is None or "EdgeSecret" not in there.parameters:
        parameters = {**parameters, "Stage": stage.name, "EdgeSecret": secrets.token_urlsafe(32)}
    imports = there is None and _left_behind(account, stage)
    if imports:
        tell(f"The data of an earlier {stage.stack} is taken up again.")
    change_set = stack.prepare(there, url, parameters, imports=imports)
    if change_set is None:
        tell(f"The stack {stage.stack} is up to date.")
    else:
        goes = parameters.get("Fleet") == "no"
        carry_out(stack, change_set, tell, fleet_let_go(account, stage, stack) if goes else nullcontext())
    stack.protect(DATA)
    there = stack.describe()
    assert there is not None
    return there


def carry_out(stack: Stack, change_set: str, tell: Tell, around: AbstractContextManager[None]) -> None:
    """`around`: what holds only while the change is carried out."""
    changes = stack.changes(change_set)
    lost = [one.name for one in changes if one.name in DATA and (one.replaces or one.action == "Remove")]
    if lost:
        stack.discard(change_set)
        raise DeployFailed(f"this would replace what holds the farm's data ({', '.join(lost)}); nothing was changed")
    tell(f"Changing {stack.name}: {_summary(changes)}")
    with around:
        stack.execute(change_set)


@contextmanager
def fleet_let_go(account: Account, stage: Stage, stack: Stack) -> Iterator[None]:
    """Its machines are protected again if the fleet stays."""
    fleet.let_go(account, stage)
    try:
        yield
    except (DeployFailed, ClientError):
        there = stack.describe()
        if there is not None and not there.status.endswith("_IN_PROGRESS"):  # else CloudFormation may yet remove it
            fleet.hold(account, stage)
        raise


def _summary(changes: Sequence[Change]) -> str:
    actions = [one.action.lower() for one in changes]
    return ", ".join(f"{actions.count(action)} to {action}" for action in dict.fromkeys(actions))


def _left_behind(account: Account, stage: Stage) -> bool:
    """Whether a stack of this name was destroyed and has left its data, or part of it."""
    table = (account.client("dynamodb").describe_table, {"TableName": stage.table})
    bucket = (account.client("s3").head_bucket, {"Bucket": stage.bucket(account.id, account.region)})
    return any(_is_there(call, names) for call, names in (table, bucket))


def _is_there(call: Callable[..., object], names: dict[str, str]) -> bool:
    try:
        call(**names)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "404", "NoSuchBucket"):
            return False
        raise
    return True
