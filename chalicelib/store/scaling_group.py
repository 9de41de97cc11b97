"""The fleet's machines in AWS: one Auto Scaling group, through a `boto3.client("autoscaling")`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

log = logging.getLogger(__name__)

LEAVING_HOOK = "leaving"
"""The lifecycle hook of infra/fleet.yaml that lets a worker end its tasks before its machine is terminated."""
_WAITS = "Terminating:Wait"


@dataclass(frozen=True)
class Group:
    desired: int
    machines: Mapping[str, str]
    """Instance id and lifecycle state, in AWS's words."""

    def is_ending(self, machine: str) -> bool:
        return self.machines[machine].startswith(("Terminating", "Terminated", "Detach"))

    @property
    def waiting_to_end(self) -> tuple[str, ...]:
        """The group would terminate them, and gives their workers some time."""
        return tuple(name for name, state in self.machines.items() if state == _WAITS)


class ScalingGroup:
    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def look(self) -> Group | None:
        """None if there is no such group."""
        found = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        if not found:
            return None
        machines = {one["InstanceId"]: one["LifecycleState"] for one in found[0].get("Instances", [])}
        return Group(found[0]["DesiredCapacity"], machines)

    def set_desired(self, count: int) -> None:
        self._client.set_desired_capacity(AutoScalingGroupName=self.name, DesiredCapacity=count, HonorCooldown=False)

    def terminate(self, machine: str, *, replace: bool) -> None:
        """A machine that has ended by itself meanwhile is no error."""
        try:
            self._client.terminate_instance_in_auto_scaling_group(
                InstanceId=machine, ShouldDecrementDesiredCapacity=not replace
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            log.warning("%s could not be terminated: %s", machine, error, extra={"action": "fleet_terminate_failed"})

    def may_end(self, machine: str) -> None:
        """Its worker is through: the group need wait no longer."""
        try:
            self._client.complete_lifecycle_action(
                LifecycleHookName=LEAVING_HOOK,
                AutoScalingGroupName=self.name,
                InstanceId=machine,
                LifecycleActionResult="CONTINUE",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":  # it has ended meanwhile
                raise
