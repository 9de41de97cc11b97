"""The fleet from nothing to many and back, with an Auto Scaling group of moto's.

What moto does not do is done by hand: an instance's worker is a worker of this farm that is called like it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from chalicelib.bootstrap import scaling_group_of
from chalicelib.config import BadSettings, Settings, settings_from
from chalicelib.core import access, claiming, jobs, joining, leases, workers
from chalicelib.core.farm import Farm
from chalicelib.core.lifecycle import Outcome, WorkerStatus
from chalicelib.core.model import Assignment, Worker
from chalicelib.core.records.keys import INDEXES
from chalicelib.edge import current
from chalicelib.fleet_settings import FleetSettings, parsed
from chalicelib.handlers import fleet
from chalicelib.store.scaling_group import ScalingGroup
from tests.core.conftest import make_farm
from tests.engines.simulated import SimulatedClock, SimulatedTable
from tests.handlers.conftest import deliver, recorded

REGION = "eu-west-1"
GROUP = "millrace-test-fleet"
SAID = {
    "group": GROUP,
    "role_id": "AROAEXAMPLE",
    "most": "3",
    "price": "0.10",
    "hourly_cap": "1",
    "cool_down_minutes": "5",
    "slots": "1",
    "tasks_per_slot": "1",
    "task_types": "sleep,exec",
    "runtimes": "python3",
    "tags": "",
    "silent_minutes": "10",
}


def said(**otherwise: str) -> FleetSettings:
    made = parsed(json.dumps(SAID | otherwise))
    assert made is not None
    return made


@dataclass
class Fleet:
    farm: Farm
    clock: SimulatedClock
    session: Any
    settings: FleetSettings = field(default_factory=said)
    claims: int = 0

    @property
    def asg(self) -> Any:
        return self.session.client("autoscaling")

    @property
    def group(self) -> Any:
        [found] = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
        return found

    @property
    def machines(self) -> list[str]:
        return sorted(one["InstanceId"] for one in self.group["Instances"])

    def minute(self) -> str:
        """A minute passes, and the fleet is looked after; the reason."""
        self.clock.advance(60_000)
        made = fleet.look_after(self.farm, self.settings, scaling_group_of(self.settings, self.session))
        assert made is not None
        return made.reason

    def submit(self, count: int, **wanted: Any) -> None:
        echo = {"name": "echo", "settings": {"message": "x"}}
        tasks = [{"name": f"t{n}", "task_type": "sleep", "commands": [echo]} for n in range(count)]
        jobs.submit(self.farm, jobs.Submission("a job", "commands", {"tasks": tasks}, **wanted))

    def boots(self, machine: str) -> Worker:
        """Its worker registers and signs on."""
        described = workers.Description(machine, task_types=("sleep", "exec"), tags=("fleet",))
        return workers.sign_on(self.farm, workers.register(self.farm, described, with_secret=True)[0], described)

    def take(self, worker: Worker) -> list[Assignment]:
        self.claims += 1
        now = workers.contact(self.farm, workers.get(self.farm, worker.id), wants_work=True)
        return list(claiming.claim(self.farm, now, f"r{self.claims}").assignments)

    def end(self, one: Assignment) -> None:
        said = leases.Report(Outcome.COMPLETED, 0, None)
        leases.report(self.farm, one.lease.worker, one.task.id, one.lease.generation, said)

    def asked_to_go(self, worker: Worker) -> bool:
        return workers.get(self.farm, worker.id).status_requested is WorkerStatus.OFFLINE

    def signs_off(self, worker: Worker) -> None:
        workers.sign_off(self.farm, workers.get(self.farm, worker.id))


@pytest.fixture
def a_fleet() -> Iterator[Fleet]:
    with mock_aws():
        session = boto3.session.Session(region_name=REGION)
        make_group(session)
        clock = SimulatedClock()
        farm = make_farm(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock), clock)
        yield Fleet(farm, clock, session)


def make_group(session: Any, most: int = 3) -> None:
    """As infra/fleet.yaml has it: protected from scale-in from the first second on."""
    ec2, asg = session.client("ec2"), session.client("autoscaling")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ec2.create_launch_template(LaunchTemplateName=GROUP, LaunchTemplateData={"ImageId": image})
    asg.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        MinSize=0,
        MaxSize=most,
        DesiredCapacity=0,
        AvailabilityZones=[f"{REGION}a"],
        NewInstancesProtectedFromScaleIn=True,
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateName": GROUP, "Version": "$Latest"},
                "Overrides": [{"InstanceType": "c7g.large"}, {"InstanceType": "c6g.large"}],
            },
            "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
        },
    )


def test_a_fleet_grows_with_the_queue_and_comes_down_to_nothing(a_fleet: Fleet) -> None:
    assert a_fleet.minute() == "0 queued, 0 running: 0 machines would do"
    assert a_fleet.machines == []
    a_fleet.submit(6)
    assert a_fleet.minute().endswith("6 machines would do, but 3 is the most")
    assert len(a_fleet.machines) == 3
    assert all(one["ProtectedFromScaleIn"] for one in a_fleet.group["Instances"])
    crew = [a_fleet.boots(name) for name in a_fleet.machines]
    while taken := [one for worker in crew for one in a_fleet.take(worker)]:
        a_fleet.minute()
        assert len(a_fleet.machines) == 3
        for one in taken:
            a_fleet.end(one)
    for _ in range(5):
        a_fleet.minute()
        assert not any(a_fleet.asked_to_go(worker) for worker in crew)
        for worker in crew:
            a_fleet.take(worker)
    a_fleet.minute()
    assert all(a_fleet.asked_to_go(worker) for worker in crew)
    assert len(a_fleet.machines) == 3  # nobody is ended before its worker has signed off
    for worker in crew:
        a_fleet.signs_off(worker)
    a_fleet.minute()
    assert a_fleet.machines == []
    assert a_fleet.group["DesiredCapacity"] == 0
    a_fleet.minute()
    assert list(a_fleet.farm.workers.all()) == []  # nor do their names stay for ever


def test_one_that_took_a_task_as_it_was_asked_to_go_ends_it_first(a_fleet: Fleet) -> None:
    """The race that matters: idle when it was looked at, busy when it hears."""
    a_fleet.submit(1)
    a_fleet.minute()
    [worker] = [a_fleet.boots(name) for name in a_fleet.machines]
    [first] = a_fleet.take(worker)
    a_fleet.end(first)
    for _ in range(5):
        a_fleet.minute()
        a_fleet.take(worker)
    before_it_was_asked = workers.get(a_fleet.farm, worker.id)
    a_fleet.minute()
    assert a_fleet.asked_to_go(worker)
    a_fleet.submit(1)
    [late] = claiming.claim(a_fleet.farm, before_it_was_asked, "late").assignments
    for _ in range(3):
        a_fleet.minute()
        assert a_fleet.machines == [worker.name]  # and no second one is started for it
        workers.contact(a_fleet.farm, workers.get(a_fleet.farm, worker.id), wants_work=False)
    a_fleet.end(late)
    a_fleet.signs_off(worker)
    a_fleet.minute()
    assert worker.name not in a_fleet.machines


def join_objects(a_fleet: Fleet) -> dict[str, str]:
    objects = a_fleet.farm.objects
    return {head.key: (objects.get(head.key) or b"").decode() for head in objects.list("fleet/")}


def test_each_new_machine_finds_a_join_token_that_lets_one_in(a_fleet: Fleet) -> None:
    a_fleet.submit(2)
    a_fleet.minute()
    one, other = a_fleet.machines
    a_fleet.minute()
    left = join_objects(a_fleet)
    assert set(left) == {f"fleet/joins/AROAEXAMPLE:{name}" for name in (one, other)}
    token = left[f"fleet/joins/AROAEXAMPLE:{one}"]
    own = joining.join(a_fleet.farm, token, one, "n" * 20)
    with pytest.raises(joining.JoinTokenUsed):
        joining.join(a_fleet.farm, token, "somebody-else", "m" * 20)
    who = access.principal(a_fleet.farm, own)
    assert who is not None
    who.require_to_register(one)
    worker = a_fleet.boots(one)
    a_fleet.minute()
    assert set(join_objects(a_fleet)) == {f"fleet/joins/AROAEXAMPLE:{other}"}
    a_fleet.signs_off(worker)
    a_fleet.minute()
    a_fleet.minute()
    assert access.principal(a_fleet.farm, own) is None  # it went with its machine


def test_a_join_token_lives_as_long_as_its_machine_has_to_call(a_fleet: Fleet) -> None:
    a_fleet.submit(1)
    a_fleet.minute()
    a_fleet.minute()
    [machine] = a_fleet.machines
    [token] = join_objects(a_fleet).values()
    for _ in range(9):
        a_fleet.minute()
    assert list(join_objects(a_fleet).values()) == [token]
    joining.join(a_fleet.farm, token, machine, "n" * 20)
    for _ in range(3):
        a_fleet.minute()
    assert machine not in a_fleet.machines
    with pytest.raises(joining.NotAJoinToken):
        a_fleet.clock.advance(3600_000)
        joining.join(a_fleet.farm, token, machine, "n" * 20)


def test_what_the_fleet_cannot_run_starts_nothing(a_fleet: Fleet) -> None:
    a_fleet.submit(2, tags=("gpu",))
    a_fleet.submit(2, tags=("-fleet",))
    a_fleet.minute()
    assert a_fleet.machines == []
    a_fleet.submit(1, tags=("fleet",))
    a_fleet.minute()
    assert len(a_fleet.machines) == 1


def test_a_large_step_counts_with_all_its_tasks(a_fleet: Fleet) -> None:
    """One entry of its lane stands for thousands."""
    frames = {"frames": "1-5000", "command": ["echo", "{frame}"]}
    jobs.submit(a_fleet.farm, jobs.Submission("frames", "frames", frames))
    a_fleet.minute()
    assert len(a_fleet.machines) == 3


def test_the_cap_pays_for_fewer(a_fleet: Fleet) -> None:
    a_fleet.settings = said(hourly_cap="0.25")
    a_fleet.submit(9)
    assert "the cap of $0.25 an hour pays for 2" in a_fleet.minute()
    assert len(a_fleet.machines) == 2


def test_a_machine_that_never_calls_is_replaced(a_fleet: Fleet) -> None:
    a_fleet.submit(1)
    a_fleet.minute()
    [dead] = a_fleet.machines
    for _ in range(10):
        a_fleet.minute()
        assert a_fleet.machines == [dead]
    a_fleet.minute()
    a_fleet.minute()
    [other] = a_fleet.machines
    assert other != dead


def test_a_machine_that_falls_silent_is_replaced_and_its_task_runs_again(a_fleet: Fleet) -> None:
    a_fleet.submit(1)
    a_fleet.minute()
    [dead] = a_fleet.machines
    [held] = a_fleet.take(a_fleet.boots(dead))
    for _ in range(12):
        a_fleet.minute()
    assert dead not in a_fleet.machines
    [other] = a_fleet.machines
    [again] = a_fleet.take(a_fleet.boots(other))
    assert again.task.id == held.task.id


def test_a_machine_is_not_replaced_before_its_worker_counts_as_lost(a_fleet: Fleet) -> None:
    """On a quiet farm it may be told to ask more seldom than an impatient operator's silent-minutes."""
    a_fleet.settings = replace(a_fleet.settings, silent_ms=30_000)
    a_fleet.submit(1)
    a_fleet.minute()
    [machine] = a_fleet.machines
    a_fleet.take(a_fleet.boots(machine))
    a_fleet.minute()
    assert a_fleet.machines == [machine]
    for _ in range(3):
        a_fleet.minute()
    assert machine not in a_fleet.machines


def test_the_last_machine_takes_its_worker_and_token_along_also_if_it_broke(a_fleet: Fleet) -> None:
    """Its worker has not signed off: it must have been silent for a while, and the group is empty by then."""
    a_fleet.submit(1)
    a_fleet.minute()
    [machine] = a_fleet.machines
    a_fleet.minute()
    own = joining.join(a_fleet.farm, *join_objects(a_fleet).values(), machine, "n" * 20)
    [held] = a_fleet.take(a_fleet.boots(machine))
    a_fleet.end(held)
    a_fleet.asg.terminate_instance_in_auto_scaling_group(InstanceId=machine, ShouldDecrementDesiredCapacity=True)
    for _ in range(9):
        a_fleet.minute()
        assert [worker.name for worker in a_fleet.farm.workers.all()] == [machine]  # it may be slow, not dead
    for _ in range(3):
        a_fleet.minute()
    assert (a_fleet.machines, list(a_fleet.farm.workers.all())) == ([], [])
    assert access.principal(a_fleet.farm, own) is None
    assert fleet.fleet_memory.read(a_fleet.farm).memory.first_seen == {}  # and nobody looks for it any more


def described(**states: str) -> dict[str, Any]:
    """What AWS answers about a group with these machines."""
    usual = {"AvailabilityZone": "a", "HealthStatus": "HEALTHY", "ProtectedFromScaleIn": True}
    machines = [
        {"InstanceId": name.replace("_", "-"), "LifecycleState": state, **usual} for name, state in states.items()
    ]
    group = {
        **{"AutoScalingGroupName": GROUP, "MinSize": 0, "MaxSize": 3, "DesiredCapacity": 0, "DefaultCooldown": 0},
        **{"AvailabilityZones": ["a"], "HealthCheckType": "EC2", "CreatedTime": "2026-11-26", "Instances": machines},
    }
    return {"AutoScalingGroups": [group]}


def test_what_the_group_ends_may_end_once_its_worker_has_signed_off(a_fleet: Fleet) -> None:
    """As when Spot gives it a successor. moto has no lifecycle hooks, so AWS's answers are written here."""
    busy, through = a_fleet.boots("i-busy"), a_fleet.boots("i-through")
    assert busy.name == "i-busy"
    a_fleet.signs_off(through)
    client = a_fleet.session.client("autoscaling")
    with Stubber(client) as stub:
        states = {"i_busy": "Terminating:Wait", "i_through": "Terminating:Wait"}
        stub.add_response("describe_auto_scaling_groups", described(**states), {"AutoScalingGroupNames": [GROUP]})
        let_go = {"AutoScalingGroupName": GROUP, "LifecycleHookName": "leaving", "LifecycleActionResult": "CONTINUE"}
        stub.add_response("complete_lifecycle_action", {}, {**let_go, "InstanceId": "i-through"})
        fleet.look_after(a_fleet.farm, a_fleet.settings, ScalingGroup(client, GROUP))
        stub.assert_no_pending_responses()


def test_a_machine_that_ended_by_itself_is_no_error(a_fleet: Fleet) -> None:
    a_fleet.boots("i-gone")
    a_fleet.signs_off(next(a_fleet.farm.workers.all()))
    client = a_fleet.session.client("autoscaling")
    with Stubber(client) as stub:
        stub.add_response("describe_auto_scaling_groups", described(i_gone="InService"))
        stub.add_client_error("terminate_instance_in_auto_scaling_group", "ValidationError", "Instance Id not found")
        fleet.look_after(a_fleet.farm, a_fleet.settings, ScalingGroup(client, GROUP))
        stub.assert_no_pending_responses()


def test_the_minute_looks_after_the_fleet(a_fleet: Fleet, tmp_path: Path) -> None:
    """As Lambda calls it, with the settings that infra/fleet.yaml writes."""
    current.serve(a_fleet.farm, Settings(tmp_path, fleet=said()))
    a_fleet.submit(2)
    deliver("minute_passed", recorded("schedule"))
    current.forget()
    assert a_fleet.group["DesiredCapacity"] == 2


def test_a_fleet_that_cannot_be_looked_after_keeps_nobody_waiting(
    a_fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    current.serve(a_fleet.farm, Settings(tmp_path, fleet=said()))
    client = a_fleet.session.client("autoscaling")
    monkeypatch.setattr(current, "scaling_group", lambda: ScalingGroup(client, GROUP))
    with Stubber(client) as stub:
        stub.add_client_error("describe_auto_scaling_groups", "AccessDenied")
        deliver("minute_passed", recorded("schedule"))
    current.forget()
    assert "fleet_failed" in [getattr(record, "action", None) for record in caplog.records]


def test_of_two_looks_at_once_one_acts(a_fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    a_fleet.minute()
    a_fleet.submit(2)
    inside = fleet.fleet.decide

    def overtaken(*given: Any) -> Any:
        monkeypatch.setattr(fleet.fleet, "decide", inside)
        a_fleet.minute()
        return inside(*given)

    monkeypatch.setattr(fleet.fleet, "decide", overtaken)
    scaling = scaling_group_of(a_fleet.settings, a_fleet.session)
    assert fleet.look_after(a_fleet.farm, a_fleet.settings, scaling) is None
    assert len(a_fleet.machines) == 2


def test_a_fleet_at_rest_writes_nothing(a_fleet: Fleet) -> None:
    a_fleet.minute()
    before = a_fleet.farm.table.get(fleet.fleet_memory.keys.fleet())
    for _ in range(3):
        a_fleet.minute()
    assert a_fleet.farm.table.get(fleet.fleet_memory.keys.fleet()) == before


def test_without_its_group_it_says_so_and_does_nothing(a_fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    scaling = scaling_group_of(said(group="another"), a_fleet.session)
    assert fleet.look_after(a_fleet.farm, said(group="another"), scaling) is None
    assert "there is no group another" in caplog.text


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"price": "0"}, "price must be a number from 1e-06 on, not '0'"),
        ({"most": "many"}, "many"),
        ({"silent_minutes": "0"}, "silent_minutes must be a number from 1 on"),
    ],
)
def test_wrong_settings_are_named(changed: dict[str, str], says: str) -> None:
    with pytest.raises(BadSettings, match="MILLRACE_FLEET: .*" + says):
        settings_from({"MILLRACE_FLEET": json.dumps(SAID | changed)})


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"group": 1}'])
def test_what_is_no_settings_is_refused(text: str) -> None:
    with pytest.raises(BadSettings, match="MILLRACE_FLEET"):
        settings_from({"MILLRACE_FLEET": text})
