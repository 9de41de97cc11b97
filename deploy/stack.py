"""The stack: what there is of it, and how it gets into another state. Nothing changes but by a change set, which
CloudFormation carries out as a whole or rolls back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .errors import DeployFailed

Tell = Callable[[str], None]

POLL_SECONDS = 3.0
PATIENCE_SECONDS = 3600.0
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
NEVER_MADE = ("REVIEW_IN_PROGRESS",)
LEFT_BY_A_FAILED_CREATION = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
READY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


@dataclass(frozen=True)
class Described:
    status: str
    reason: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    action: str
    """Add, Modify, Remove or Import."""
    replaces: bool
    name: str
    kind: str


class Stack:
    def __init__(self, client: Any, name: str, tell: Tell, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._client = client
        self.name = name
        self._tell = tell
        self._poll_seconds = poll_seconds

    def describe(self) -> Described | None:
        """None if there is no such stack."""
        try:
            [found] = self._client.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return Described(
            found["StackStatus"],
            found.get("StackStatusReason", ""),
            {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", [])},
        )

    def prepare(
        self, there: Described | None, template_url: str, parameters: Mapping[str, str], *, imports: bool
    ) -> str | None:
        """Make a change set; its name, or None when there is nothing to do. `there`: what `made_ready` gave.

        Parameters that are not given keep their values. `imports`: take up resources that an earlier stack has left.
        """
        name = f"millrace-{time.time_ns() // 1_000_000}"  # two may come within a second
        known = there.parameters if there else {}
        declared = {one["ParameterKey"] for one in self._summary(template_url)["Parameters"]}
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items() if key in declared]
        kept = sorted(declared & known.keys() - parameters.keys())
        self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=name,
            ChangeSetType="UPDATE" if there else "CREATE",
            TemplateURL=template_url,
            Parameters=given + [{"ParameterKey": key, "UsePreviousValue": True} for key in kept],
            Capabilities=CAPABILITIES,
            Tags=[{"Key": "millrace", "Value": self.name}],
            # The validation before a creation would take what is to be imported for somebody else's.
            **({"ImportExistingResources": True, "DisableValidation": True} if imports else {}),
        )
        return name if self._is_prepared(name) else None

    def changes(self, change_set: str) -> Sequence[Change]:
        pages = self._client.get_paginator("describe_change_set").paginate(
            StackName=self.name, ChangeSetName=change_set
        )
        found = [change["ResourceChange"] for page in pages for change in page["Changes"]]
        return [
            Change(one["Action"], one.get("Replacement") == "True", one["LogicalResourceId"], one["ResourceType"])
            for one in found
        ]

    def execute(self, change_set: str) -> Described:
        """Carry the change set out and wait. Raises DeployFailed with the first reasons when it was rolled back."""
        seen = {event["EventId"] for event in self._events()}
        self._client.execute_change_set(StackName=self.name, ChangeSetName=change_set)
        return self._wait(seen, READY[:2] + READY[3:])

    def discard(self, change_set: str) -> None:
        self._client.delete_change_set(StackName=self.name, ChangeSetName=change_set)

    def protect(self, names: Sequence[str]) -> None:
        """No update may replace or delete these resources."""
        never = ["Update:Replace", "Update:Delete"]
        resources = [f"LogicalResourceId/{name}" for name in names]
        policy = [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": never, "Principal": "*", "Resource": resources},
        ]
        self._client.set_stack_policy(StackName=self.name, StackPolicyBody=json.dumps({"Statement": policy}))

    def delete(self) -> None:
        """Returns when the stack is gone; what its template retains stays."""
        there = self.describe()
        if there is None:
            return
        identity = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        seen = {event["EventId"] for event in self._events()}
        self._client.delete_stack(StackName=self.name)
        self._wait(seen, ("DELETE_COMPLETE",), identity)

    def made_ready(self) -> Described | None:
        """The stack, if it is to be changed; None, if it is to be created. Removes what a failed creation left; raises
        DeployFailed if the stack is busy or needs a person."""
        there = self.describe()
        if there is None or there.status in NEVER_MADE:
            return None
        if there.status in LEFT_BY_A_FAILED_CREATION:
            self._tell(f"The stack is {there.status}: removing what is left of it first.")
            self.delete()
            return None
        if there.status == "UPDATE_ROLLBACK_FAILED":
            raise DeployFailed(
                f"the stack {self.name} could not be rolled back ({there.reason}). Mend what it says, then run "
                f"`aws cloudformation continue-update-rollback --stack-name {self.name}` and deploy again."
            )
        if there.status not in READY:
            raise DeployFailed(f"the stack {self.name} is {there.status}; wait until that has ended, then try again")
        return there

    # ---- for the above

    def _summary(self, template_url: str) -> Any:
        return self._client.get_template_summary(TemplateURL=template_url)

    def _is_prepared(self, change_set: str) -> bool:
        for _ in self._pauses():
            found = self._client.describe_change_set(StackName=self.name, ChangeSetName=change_set)
            if found["Status"] == "CREATE_COMPLETE":
                return True
            if found["Status"] == "FAILED":
                reason = found.get("StatusReason", "")
                self.discard(change_set)
                if any(sign in reason for sign in NOTHING_TO_DO):
                    return False
                raise DeployFailed(f"CloudFormation refuses the change: {reason}")
        raise DeployFailed("CloudFormation does not come to an end with the change set")

    def _wait(self, seen: set[str], good: Sequence[str], identity: str | None = None) -> Described:
        """Tell what happens until the stack comes to rest."""
        reasons: list[str] = []
        for _ in self._pauses():
            for event in self._news(seen, identity):
                status, name = event["ResourceStatus"], event["LogicalResourceId"]
                if status.endswith(("_COMPLETE", "_FAILED")):
                    self._tell(f"  {status:<28} {name}")
                if status.endswith("_FAILED") and event.get("ResourceStatusReason"):
                    reasons.append(f"{name}: {event['ResourceStatusReason']}")
            there = self.describe()
            if there is None and "DELETE_COMPLETE" in good:
                return Described("DELETE_COMPLETE", "", {}, {})
            if there is not None and not there.status.endswith("_IN_PROGRESS"):
                if there.status in good:
                    return there
                told = "\n  ".join(reasons[:5]) or there.reason
                raise DeployFailed(f"the stack {self.name} is {there.status}:\n  {told}")
        raise DeployFailed(f"the stack {self.name} is still busy after {PATIENCE_SECONDS / 60:.0f} minutes")

    def _news(self, seen: set[str], identity: str | None) -> list[Any]:
        """Events that were not told yet, oldest first."""
        fresh = [event for event in self._events(identity) if event["EventId"] not in seen]
        seen.update(event["EventId"] for event in fresh)
        return fresh[::-1]

    def _events(self, identity: str | None = None) -> list[Any]:
        try:
            return list(self._client.describe_stack_events(StackName=identity or self.name)["StackEvents"])
        except ClientError:
            return []  # no such stack, or no longer

    def _pauses(self) -> Iterator[None]:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            yield
            time.sleep(self._poll_seconds)
