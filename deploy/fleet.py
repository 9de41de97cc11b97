"""The fleet's part of a deployment: what was asked for as parameters of infra/fleet.yaml, and a group that must go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from botocore.exceptions import ClientError

from .account import Account
from .errors import DeployFailed, WrongUse
from .stage import Stage

MOST_TYPES = 6
TYPES = {
    ("arm64", False): "c7g.large,c6g.large,m7g.large,m6g.large",
    ("x86_64", False): "c7i.large,c6i.large,c6a.large,m6i.large",
    ("x86_64", True): "g6.xlarge,g5.xlarge,g4dn.xlarge",
    ("arm64", True): "g5g.xlarge",
}
_AMAZON_LINUX = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
_WITH_DRIVER = "resolve:ssm:/aws/service/deeplearning/ami/{}/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"
DISK_GB, GPU_DISK_GB = 30, 75
"""The image with the driver does not fit into less."""
GPU = "gpu"
"""The tag of machines that were chosen for their GPUs."""
_TYPE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")
_ON_ARM = re.compile(r"a1|[a-z]+[0-9]+g")


def architecture_of(instance_type: str) -> str:
    """AWS's own processors have a `g` behind the generation: c7g, m6gd, g5g; g5 and g4dn have not."""
    return "arm64" if _ON_ARM.match(instance_type.partition(".")[0]) else "x86_64"


@dataclass(frozen=True)
class FleetWanted:
    """None: as it was, or the default."""

    on: bool | None = None
    types: str | None = None
    architecture: str | None = None
    """Of the types, where none are named."""
    gpu: bool | None = None
    image: str | None = None
    most: int | None = None
    price: float | None = None
    hourly_cap: float | None = None
    on_demand: int | None = None
    spot_strategy: str | None = None
    slots: int | None = None
    tasks_per_slot: int | None = None
    task_types: str | None = None
    runtimes: str | None = None
    tags: str | None = None
    cool_down_minutes: int | None = None
    silent_minutes: int | None = None
    subnets: str | None = None
    disk_gb: int | None = None
    root_device: str | None = None

    def __post_init__(self) -> None:
        if self.types is not None:
            _check_types(self.type_list)

    @property
    def type_list(self) -> list[str]:
        return _words(self.types or "")

    @property
    def says_something(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def is_on(self, before: Mapping[str, str]) -> bool:
        """`before`: the stack's parameters so far."""
        return self.on if self.on is not None else before.get("Fleet") == "yes"

    def parameters(self, before: Mapping[str, str]) -> dict[str, str]:
        """Those of infra/fleet.yaml that were given, or follow from it; checked together with those there are."""
        if not self.is_on(before):
            if self.says_something and self.on is None:
                raise WrongUse("this farm has no fleet yet: say --fleet too")
            return {"Fleet": "no"} if self.on is False else {}
        given = {"Fleet": "yes", **self._machines(before), **self._tags_and_disk(before), **self._plain()}
        _check_money({**before, **given})
        return given

    def _chooses_machines(self, before: Mapping[str, str]) -> bool:
        chosen = (self.types, self.architecture, self.gpu)
        return any(one is not None for one in chosen) or before.get("Fleet") != "yes"

    def _machines(self, before: Mapping[str, str]) -> dict[str, str]:
        """Types and image, which is chosen anew with the types."""
        if not self._chooses_machines(before):
            return {"FleetImage": self.image} if self.image is not None else {}
        gpu = bool(self.gpu)
        kind = (self.architecture or ("x86_64" if gpu else "arm64"), gpu)
        types = self.type_list or TYPES[kind].split(",")
        architecture = architecture_of(types[0])
        image = (_WITH_DRIVER if gpu else _AMAZON_LINUX).format(architecture)
        made = {f"FleetType{n}": name for n, name in enumerate([*types, *[""] * (MOST_TYPES - len(types))], start=1)}
        return {**made, "FleetImage": self.image or image}

    def _tags_and_disk(self, before: Mapping[str, str]) -> dict[str, str]:
        """The tag `gpu` comes and goes with such machines, and so does the disk that they need; what was said of either
        stays. Who names the tag, for an image of their own say, has it."""
        there, disk = _words(before.get("FleetTags", "")), int(before.get("FleetDiskGb", DISK_GB))
        named = there if self.tags is None else _words(self.tags)
        anew = self._chooses_machines(before)
        gpu = bool(self.gpu) if anew else GPU in there
        tags = ([GPU] if gpu or (self.tags is not None and GPU in named) else []) + [tag for tag in named if tag != GPU]
        made = {} if tags == there else {"FleetTags": ",".join(tags)}
        if anew and gpu and disk < GPU_DISK_GB:
            made["FleetDiskGb"] = str(GPU_DISK_GB)
        elif anew and not gpu and GPU in there and disk == GPU_DISK_GB:
            made["FleetDiskGb"] = str(DISK_GB)
        return made

    def _plain(self) -> dict[str, str]:
        texts = {
            "FleetMax": self.most,
            "FleetPrice": self.price,
            "FleetHourlyCap": self.hourly_cap,
            "FleetOnDemand": self.on_demand,
            "FleetSpotStrategy": self.spot_strategy,
            "FleetSlots": self.slots,
            "FleetTasksPerSlot": self.tasks_per_slot,
            "FleetTaskTypes": self.task_types,
            "FleetRuntimes": self.runtimes,
            "FleetCoolDownMinutes": self.cool_down_minutes,
            "FleetSilentMinutes": self.silent_minutes,
            "FleetDiskGb": self.disk_gb,
            "FleetRootDevice": self.root_device,
        }
        return {name: _text(value) for name, value in texts.items() if value is not None}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _text(value: object) -> str:
    """Never 1e-05: the template wants digits."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _check_types(types: list[str]) -> None:
    if not types or len(types) > MOST_TYPES or len(set(types)) < len(types):
        raise WrongUse(f"--fleet-types names 1 to {MOST_TYPES} different types, such as c7g.large,m7g.large")
    if wrong := [name for name in types if not _TYPE.fullmatch(name)]:
        raise WrongUse(f"--fleet-types: {wrong[0]!r} is no instance type, such as c7g.large")
    if len({architecture_of(name) for name in types}) > 1:
        on_arm = [name for name in types if architecture_of(name) == "arm64"]
        raise WrongUse(f"--fleet-types: {', '.join(on_arm)} are ARM, the others x86; one image runs on one of both")


def _check_money(parameters: Mapping[str, str]) -> None:
    missing = [
        option
        for option, name in (("--fleet-price", "FleetPrice"), ("--fleet-hourly-cap", "FleetHourlyCap"))
        if name not in parameters
    ]
    if missing:
        raise WrongUse(
            f"a fleet costs money: say {' and '.join(missing)}, in dollars an hour. The price is that of one machine, "
            "the dearest of its types (aws.amazon.com/ec2/spot/pricing); the cap is for all together"
        )
    price, cap = float(parameters["FleetPrice"]), float(parameters["FleetHourlyCap"])
    if price <= 0 or cap < price:
        raise WrongUse(f"the cap of ${cap:g} an hour does not pay for one machine at ${price:g}")


def network(account: Account, wanted: FleetWanted, before: Mapping[str, str]) -> dict[str, str]:
    """The subnets that were named, or those there were, or those of the account's default network."""
    named = _words(wanted.subnets or "")
    if not named and before.get("FleetSubnets"):
        return {}
    how: dict[str, Any] = (
        {"SubnetIds": named} if named else {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
    )
    try:
        found = account.client("ec2").describe_subnets(**how)["Subnets"]
    except ClientError as error:
        raise DeployFailed(f"the subnets of the fleet: {error.response['Error']['Message']}") from None
    networks = {one["VpcId"] for one in found}
    if not found:
        raise WrongUse("the account has no default network in this region: name subnets with --fleet-subnets")
    if len(networks) > 1:
        raise WrongUse(f"--fleet-subnets lie in different networks ({', '.join(sorted(networks))}); one is possible")
    return {"FleetVpc": networks.pop(), "FleetSubnets": ",".join(sorted(one["SubnetId"] for one in found))}


def group_name(stage: Stage) -> str:
    return f"{stage.stack}-fleet"


def group(account: Account, stage: Stage) -> Mapping[str, Any] | None:
    asked = account.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group_name(stage)])
    found = asked["AutoScalingGroups"]
    return found[0] if found else None


def let_go(account: Account, stage: Stage) -> None:
    """CloudFormation removes a group by making it empty, which protected machines would not let it."""
    _protect(account, stage, protected=False)


def hold(account: Account, stage: Stage) -> None:
    """Take `let_go` back: the group stays, and may choose none of its machines to go."""
    _protect(account, stage, protected=True)


def _protect(account: Account, stage: Stage, *, protected: bool) -> None:
    there, client = group(account, stage), account.client("autoscaling")
    if there is None:
        return
    name = group_name(stage)
    client.update_auto_scaling_group(AutoScalingGroupName=name, NewInstancesProtectedFromScaleIn=protected)
    machines = [one["InstanceId"] for one in there["Instances"] if one["ProtectedFromScaleIn"] != protected]
    for start in range(0, len(machines), 50):  # as many as one call takes
        client.set_instance_protection(
            InstanceIds=machines[start : start + 50], AutoScalingGroupName=name, ProtectedFromScaleIn=protected
        )


def end(account: Account, stage: Stage) -> None:
    """The group and all its machines, at once."""
    if group(account, stage) is not None:
        name = group_name(stage)
        account.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
