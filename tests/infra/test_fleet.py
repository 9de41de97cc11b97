"""The fleet's part of the template: what its machines rely on, and what a farm without a fleet has of it: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.store.scaling_group import LEAVING_HOOK
from deploy import template
from deploy.fleet import MOST_TYPES
from millrace.agent.notices import GROUP_SECONDS
from tests.infra.filled import Filled

NEW = template.read(template.INFRA / "fleet.yaml")["Resources"].keys() - {"MinutePassed"}


def test_a_farm_without_a_fleet_has_nothing_of_it(whole: dict[str, Any]) -> None:
    assert not Filled(whole, {}).holds("HasFleet")
    assert {whole["Resources"][name].get("Condition") for name in NEW} == {"HasFleet"}


def test_nobody_calls_a_machine_and_its_metadata_needs_a_session(whole: dict[str, Any]) -> None:
    machine = whole["Resources"]["FleetTemplate"]["Properties"]["LaunchTemplateData"]
    assert machine["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    assert "KeyName" not in machine
    assert "SecurityGroupIngress" not in whole["Resources"]["FleetSecurityGroup"]["Properties"]
    assert not [name for name, one in whole["Resources"].items() if one["Type"] == "AWS::EC2::SecurityGroupIngress"]


def test_the_group_starts_from_nothing_and_chooses_nobody_to_go(whole: dict[str, Any]) -> None:
    group = whole["Resources"]["FleetGroup"]["Properties"]
    assert group["MinSize"] == "0" and "DesiredCapacity" not in group  # a deployment leaves the number alone
    assert group["NewInstancesProtectedFromScaleIn"] is True
    assert group["MixedInstancesPolicy"]["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 0


@pytest.mark.parametrize("count", [1, 3, MOST_TYPES])
def test_the_group_has_as_many_types_as_were_named(whole: dict[str, Any], count: int) -> None:
    names = [f"c{number}g.large" for number in range(1, count + 1)]
    given = {f"FleetType{number}": name for number, name in enumerate(names, start=1)}
    overrides = whole["Resources"]["FleetGroup"]["Properties"]["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert Filled(whole, given).value(overrides) == [{"InstanceType": name} for name in names]


def test_the_group_waits_for_workers_as_long_as_they_think(whole: dict[str, Any]) -> None:
    [hook] = whole["Resources"]["FleetGroup"]["Properties"]["LifecycleHookSpecificationList"]
    assert (hook["LifecycleHookName"], hook["HeartbeatTimeout"]) == (LEAVING_HOOK, GROUP_SECONDS)
