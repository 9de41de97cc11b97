"""What may be said about a fleet, what becomes of it, and how a fleet is shown and ended; the account is moto's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from chalicelib.bootstrap import scaling_group_of
from chalicelib.core import jobs
from chalicelib.core.records.keys import INDEXES
from chalicelib.handlers import fleet as handler
from chalicelib.store.dynamo import create_table
from deploy import deployed, fleet, telling, template
from deploy.__main__ import main
from deploy.account import Account, connect
from deploy.changing import carry_out, fleet_let_go
from deploy.errors import DeployFailed, WrongUse
from deploy.fleet import DISK_GB, GPU_DISK_GB, TYPES, FleetWanted, architecture_of, network
from deploy.stack import Described, Stack
from deploy.stage import Stage
from tests.handlers.test_fleet import make_group, said

MONEY: dict[str, Any] = {"price": 0.05, "hourly_cap": 1.0}
REGION = "eu-west-1"


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield connect(REGION)


def parameters_of(before: dict[str, str] | None = None, **wanted: Any) -> dict[str, str]:
    return FleetWanted(**wanted).parameters(before or {})


def test_a_farm_without_a_fleet_says_nothing_of_one() -> None:
    assert parameters_of() == {}
    assert parameters_of(on=False) == {"Fleet": "no"}


def test_a_fleet_to_begin_with_is_on_arm_with_the_newest_amazon_linux() -> None:
    made = parameters_of(on=True, **MONEY)
    assert made["FleetImage"] == "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    assert [made[f"FleetType{n}"] for n in range(1, 7)] == ["c7g.large", "c6g.large", "m7g.large", "m6g.large", "", ""]
    assert (made["FleetPrice"], made["FleetHourlyCap"]) == ("0.05", "1")


def test_types_choose_the_image() -> None:
    assert "x86_64" in parameters_of(on=True, types="c7i.large, m6a.xlarge", **MONEY)["FleetImage"]
    assert "arm64" in parameters_of(on=True, types="g5g.xlarge", gpu=True, **MONEY)["FleetImage"]


def test_gpus_bring_their_driver_their_tag_and_a_disk_that_holds_it() -> None:
    made = parameters_of(on=True, gpu=True, tags="big", **MONEY)
    assert "nvidia-driver" in made["FleetImage"] and "x86_64" in made["FleetImage"]
    assert (made["FleetTags"], made["FleetDiskGb"]) == ("gpu,big", str(GPU_DISK_GB))
    assert parameters_of(on=True, gpu=True, disk_gb=200, **MONEY)["FleetDiskGb"] == "200"


ON = {"Fleet": "yes", "FleetPrice": "0.05", "FleetHourlyCap": "1", "FleetType1": "c7g.large", "FleetDiskGb": "30"}
ON_GPU = {**ON, "FleetType1": "g5.xlarge", "FleetTags": "gpu,studio", "FleetDiskGb": "75"}


@pytest.mark.parametrize(
    ("before", "wanted", "tags", "disk"),
    [
        (ON_GPU, {"types": "c7g.large"}, "studio", "30"),
        (ON_GPU, {"architecture": "arm64"}, "studio", "30"),
        (ON_GPU, {"types": "c7g.large", "disk_gb": 75}, "studio", "75"),
        ({**ON_GPU, "FleetDiskGb": "200"}, {"types": "c7g.large"}, "studio", "200"),
        (ON_GPU, {"tags": "night"}, "gpu,night", "75"),
        (ON_GPU, {"tags": ""}, "gpu", "75"),
        (ON_GPU, {"gpu": True}, "gpu,studio", "75"),
        ({**ON_GPU, "FleetDiskGb": "200"}, {"gpu": True, "types": "g6.xlarge"}, "gpu,studio", "200"),
        (ON_GPU, {"most": 9}, "gpu,studio", "75"),
        ({**ON_GPU, "FleetDiskGb": "40"}, {"most": 9, "tags": "night"}, "gpu,night", "40"),
        ({**ON, "FleetTags": "studio"}, {"gpu": True}, "gpu,studio", "75"),
        ({**ON, "FleetTags": "studio"}, {"gpu": True, "tags": "night"}, "gpu,night", "75"),
        ({**ON, "FleetTags": "studio"}, {"tags": ""}, "", "30"),
        ({**ON, "FleetTags": "studio"}, {"types": "c7i.large"}, "studio", "30"),
        (ON, {"types": "g5.xlarge", "image": "ami-0a", "tags": "gpu,night"}, "gpu,night", "30"),
        ({**ON_GPU, "Fleet": "no"}, {"on": True}, "studio", "30"),
    ],
)
def test_the_tag_and_the_disk_go_with_the_machines_and_the_rest_stays(
    before: dict[str, str], wanted: dict[str, Any], tags: str, disk: str
) -> None:
    after = {**before, **parameters_of(before, **wanted)}
    assert (after.get("FleetTags", ""), after["FleetDiskGb"]) == (tags, disk)


def test_the_usual_disk_is_the_templates() -> None:
    assert template.read(template.INFRA / "fleet.yaml")["Parameters"]["FleetDiskGb"]["Default"] == DISK_GB


def test_an_own_image_is_taken_as_it_is() -> None:
    assert parameters_of(on=True, image="ami-0123456789abcdef0", **MONEY)["FleetImage"] == "ami-0123456789abcdef0"


def test_what_is_not_said_stays_as_it_was() -> None:
    before = {"Fleet": "yes", "FleetPrice": "0.05", "FleetHourlyCap": "1", "FleetType1": "c7i.large"}
    assert parameters_of(before, most=9) == {"Fleet": "yes", "FleetMax": "9"}
    assert parameters_of(before, image="ami-0a") == {"Fleet": "yes", "FleetImage": "ami-0a"}


WRONG: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"most": 3}, {}, "this farm has no fleet yet: say --fleet too"),
    ({"on": True}, {}, "say --fleet-price and --fleet-hourly-cap, in dollars an hour"),
    ({"on": True, "price": 1.0}, {}, "say --fleet-hourly-cap, in dollars"),
    ({"on": True, "price": 1.0, "hourly_cap": 0.5}, {}, "the cap of $0.5 an hour does not pay for one machine at $1"),
    ({"price": 3.0}, {"Fleet": "yes", "FleetPrice": "1", "FleetHourlyCap": "2"}, "the cap of $2 an hour does not pay"),
]


@pytest.mark.parametrize(("wanted", "before", "says"), WRONG)
def test_wrong_wishes_are_refused(wanted: dict[str, Any], before: dict[str, str], says: str) -> None:
    with pytest.raises(WrongUse) as refused:
        parameters_of(before, **wanted)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("types", "says"),
    [
        ("", "1 to 6 different types"),
        ("c7g.large,c7g.large", "1 to 6 different types"),
        (",".join(f"c{n}i.large" for n in range(7)), "1 to 6 different types"),
        ("c7g", "'c7g' is no instance type"),
        ("c7g.large,c7i.large", "c7g.large are ARM, the others x86"),
    ],
)
def test_wrong_types_are_refused(types: str, says: str) -> None:
    with pytest.raises(WrongUse) as refused:
        FleetWanted(types=types)
    assert says in str(refused.value)


@pytest.mark.parametrize("name", ["c7g.large", "m6gd.metal", "t4g.nano", "g5g.xlarge", "a1.large", "im4gn.large"])
def test_arm_is_known_by_its_name(name: str) -> None:
    assert architecture_of(name) == "arm64"


@pytest.mark.parametrize("name", ["g4dn.xlarge", "g5.xlarge", "c7i.large", "p4d.24xlarge", "u-6tb1.metal", "t3.micro"])
def test_x86_is_known_by_its_name(name: str) -> None:
    assert architecture_of(name) == "x86_64"


def test_the_default_types_are_what_they_are_said_to_be() -> None:
    for (architecture, _), types in TYPES.items():
        assert {architecture_of(name) for name in types.split(",")} == {architecture}


def test_all_that_is_said_is_a_parameter_of_the_template() -> None:
    declared = template.read(template.INFRA / "fleet.yaml")["Parameters"]
    everything = FleetWanted(
        **{**MONEY, "on": True, "types": "c7g.large", "most": 2, "on_demand": 1, "spot_strategy": "capacity-optimized"},
        **{"slots": 2, "tasks_per_slot": 3, "task_types": "exec", "runtimes": "bash", "tags": "t", "disk_gb": 40},
        **{"cool_down_minutes": 1, "silent_minutes": 5, "root_device": "/dev/sda1", "image": "ami-0a"},
    )
    assert set(everything.parameters({})) == {*declared} - {"FleetBundle", "FleetVpc", "FleetSubnets"}


def test_the_default_network_is_found(account: Account) -> None:
    made = network(account, FleetWanted(on=True), {})
    assert made["FleetVpc"].startswith("vpc-") and len(made["FleetSubnets"].split(",")) >= 2
    assert network(account, FleetWanted(on=True), {"FleetSubnets": "subnet-1"}) == {}
    one = made["FleetSubnets"].split(",")[0]
    assert network(account, FleetWanted(subnets=one), {}) == {"FleetVpc": made["FleetVpc"], "FleetSubnets": one}


def test_subnets_that_are_not_there_are_named(account: Account) -> None:
    with pytest.raises(DeployFailed, match="subnet-0000"):
        network(account, FleetWanted(subnets="subnet-0000"), {})


def test_subnets_of_two_networks_are_refused(account: Account) -> None:
    ec2 = account.client("ec2")
    made = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    other = ec2.create_subnet(VpcId=made, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    usual = network(account, FleetWanted(), {})["FleetSubnets"].split(",")[0]
    with pytest.raises(WrongUse, match="lie in different networks"):
        network(account, FleetWanted(subnets=f"{usual},{other}"), {})


def test_a_fleet_does_not_go_with_infrastructure_alone(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["deploy", "--stage", "dev", "--region", REGION, "--only-infra", "--fleet"]
    with mock_aws():
        assert main(arguments) == 2
    assert "does not go with --only-infra" in capsys.readouterr().err


def test_a_fleet_that_costs_without_limit_is_refused_before_anything_is_built(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "describe", lambda _: None)  # there is no such stack; moto would need more packages
    with mock_aws():
        assert main(["deploy", "--stage", "prod", "--region", REGION, "--fleet", "--fleet-max", "3"]) == 2
    said = capsys.readouterr()
    assert "say --fleet-price and --fleet-hourly-cap" in said.err
    assert "Building" not in said.out


def test_status_shows_how_many_there_are_and_why(account: Account, tmp_path: Path) -> None:
    there = deployed_stack(account)
    assert list(telling._fleet(account, Stage("test"), there)) == [
        "0 of at most 3 wanted; there: none",
        "why, as of -: nothing was decided yet",
    ]
    farm = deployed.farm_of(account, there)
    echo = {"name": "echo", "settings": {"message": "x"}}
    task = {"name": "t", "task_type": "sleep", "commands": [echo]}
    jobs.submit(farm, jobs.Submission("a job", "commands", {"tasks": [task]}))
    handler.look_after(farm, said(), scaling_group_of(said(), account.session))
    first, second = telling._fleet(account, Stage("test"), there)
    assert first == "1 of at most 3 wanted; there: 1 InService"
    assert second.endswith(": 1 queued, 0 running: 1 machine would do")


def test_a_farm_without_a_fleet_has_no_such_line(account: Account) -> None:
    assert list(telling._fleet(account, Stage("test"), Described("UPDATE_COMPLETE", "", {}, {}))) == []


def deployed_stack(account: Account) -> Described:
    create_table(account.client("dynamodb"), "farm", INDEXES)
    place = {"LocationConstraint": REGION}
    account.client("s3").create_bucket(Bucket="farm", CreateBucketConfiguration=place)
    make_group(account.session)
    outputs = {"TableName": "farm", "BucketName": "farm", "FleetGroup": "millrace-test-fleet"}
    return Described("UPDATE_COMPLETE", "", outputs, {})


def test_a_group_that_is_to_go_protects_nobody_any_more(account: Account) -> None:
    stage = Stage("test")
    fleet.let_go(account, stage)  # nor is it an error that there is none
    make_group(boto3.session.Session(region_name=REGION))
    account.client("autoscaling").set_desired_capacity(AutoScalingGroupName=fleet.group_name(stage), DesiredCapacity=2)
    fleet.let_go(account, stage)
    there = fleet.group(account, stage)
    assert there is not None and not there["NewInstancesProtectedFromScaleIn"]
    assert [one["ProtectedFromScaleIn"] for one in there["Instances"]] == [False, False]
    fleet.end(account, stage)
    assert fleet.group(account, stage) is None
    fleet.end(account, stage)


def removal(name: str) -> dict[str, Any]:
    about = {"Action": "Remove", "LogicalResourceId": name, "ResourceType": "AWS::Some::Thing"}
    return {"Type": "Resource", "ResourceChange": about}


@pytest.mark.parametrize(
    ("removed", "status", "protected"),
    [
        ("Table", None, True),
        ("FleetGroup", "UPDATE_ROLLBACK_COMPLETE", True),
        ("FleetGroup", "UPDATE_IN_PROGRESS", False),
        ("FleetGroup", "UPDATE_COMPLETE", False),
    ],
    ids=["refused", "rolled back", "lost sight of", "carried out"],
)
def test_machines_lose_their_protection_only_while_the_fleet_is_removed(
    account: Account, removed: str, status: str | None, protected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a stack with CloudFormation's answers written down; the group is moto's."""
    stage = Stage("test")
    make_group(boto3.session.Session(region_name=REGION))
    scaling = account.client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=fleet.group_name(stage), DesiredCapacity=2)

    def machines() -> list[bool]:
        there = fleet.group(account, stage)
        assert there is not None
        return [there["NewInstancesProtectedFromScaleIn"], *(one["ProtectedFromScaleIn"] for one in there["Instances"])]

    def execute(stack: Stack, change_set: str) -> Described:
        assert machines() == [False] * 3  # as CloudFormation needs it
        if status != "UPDATE_COMPLETE":
            raise DeployFailed(f"the stack is {status}")
        return Described(status, "", {}, {})

    client = account.client("cloudformation")
    monkeypatch.setattr(Stack, "execute", execute)
    stack = Stack(client, stage.stack, lambda _: None)
    with Stubber(client) as stub:
        stub.add_response("describe_change_set", {"Changes": [removal(removed)]})
        if status is None:
            stub.add_response("delete_change_set", {})
        elif status != "UPDATE_COMPLETE":
            about = {"StackName": stage.stack, "CreationTime": datetime.now(UTC), "StackStatus": status}
            stub.add_response("describe_stacks", {"Stacks": [about]})
        fails = pytest.raises(DeployFailed) if status != "UPDATE_COMPLETE" else nullcontext()
        with fails:
            carry_out(stack, "change", lambda _: None, fleet_let_go(account, stage, stack))
        stub.assert_no_pending_responses()
    assert machines() == [protected] * 3
