"""Every call is allowed, and everything that is allowed is used: the roles against what the functions do.

Each function is put through its life on a farm of AWS's engines (moto), and botocore says what was called.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore import xform_name
from botocore.stub import Stubber
from moto import mock_aws

from chalicelib.bootstrap import aws_farm, mailer_of, scaling_group_of
from chalicelib.config import Settings
from chalicelib.core import (
    access,
    blobs,
    claiming,
    collecting,
    hooks,
    jobs,
    last_rendered,
    leases,
    logs,
    retention,
    upgrading,
    workers,
)
from chalicelib.core.farm import Farm, Limits
from chalicelib.core.fleet_watching import Abilities
from chalicelib.core.lifecycle import Outcome
from chalicelib.core.model import Assignment, Attempt, Job, Task, Worker
from chalicelib.core.ports import ObjectMismatch
from chalicelib.core.records import task_writes
from chalicelib.core.records.keys import INDEXES
from chalicelib.core.settle import end_early, settle
from chalicelib.dialects.flamenco1 import pushing, registering, submitting, wire
from chalicelib.edge import current
from chalicelib.edge.fields import parsed
from chalicelib.edge.networks import LOOPBACK
from chalicelib.handlers import fleet, schedule
from chalicelib.store.dynamo import create_table
from chalicelib.store.scaling_group import ScalingGroup
from deploy import template
from tests.dialects.flamenco1.pushed_worker import PushedWorker
from tests.handlers.conftest import changes, deliver, errands, recorded
from tests.handlers.test_fleet import make_group, said
from tests.infra.calls import Need, Permission, Recorder, calls_in_the_code, permissions, statements
from tests.infra.conftest import NAMES

USED_BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
}
"""What the service does in a function's name: its log, and the sources of its events."""
MANY = 120
SENDER = "farm@example.com"
REGION = "eu-west-1"


@dataclass
class Bench:
    farm: Farm
    session: Any
    recorder: Recorder
    claims: int = 0

    def submit(self, count: int) -> Job:
        return jobs.submit(self.farm, submission(count))

    def dies_after_the_end_of(self, one: Assignment, event: str, outcome: Outcome) -> Task:
        """The manager wrote how the attempt ended, and crashed before anything else."""
        lease, now = one.lease, self.farm.clock.now()
        attempt = Attempt(1, lease.generation, lease.worker, outcome, 1, "no", lease.granted_at, now)
        return self.farm.tasks.update(task_writes.ended(one.task, event, attempt))

    def half_done(self) -> list[Job]:
        """Jobs that somebody has decided about, and nothing else is done: two new ones and a canceled one."""
        blob = str(blobs.store_bytes(self.farm, b"bytes").id)
        function = jobs.Submission("f", "function", {"code": blob, "input": blob, "runtime": "python3"})
        with mock.patch("chalicelib.core.jobs.settle"):  # the process dies before it
            for wanted in (submission(MANY), function):
                jobs.submit(self.farm, wanted)
        new = self.farm.jobs.page("compiling", 2, None)[0]
        canceled = self.submit(2)
        end_early(self.farm, canceled, "cancel", None)
        return [*new, canceled]

    def half_deleted(self) -> Job:
        """A job that is hidden, and whose tasks, log and settings are all still there."""
        job, worker = self.submit(1), self.worker()
        one = self.take(worker)
        logs.append(self.farm, one.task, worker.id, one.lease.generation, 0, b"line")
        self.end(one)
        ended = jobs.get(self.farm, job.id)
        assert self.farm.jobs.hide(ended)
        return ended

    def ended(self) -> Job:
        """A job that has nothing left to do, with its settings, what it wrote, and its picture."""
        job, worker = self.submit(1), self.worker()
        while (one := self.take(worker)).task.job != job.id:
            pass  # what other lives have left
        logs.append(self.farm, one.task, worker.id, one.lease.generation, 0, b"line")
        jpeg = last_rendered.Jpeg(2, 2, b"\xff\xd8\xff")
        last_rendered.note(self.farm, worker.id, one.task, one.lease.generation, "f.png", [jpeg])
        self.end(one)
        return jobs.get(self.farm, job.id)

    def runs_out_of_time(self, job: Job) -> None:
        """What `settle` does then, whoever called it."""
        hurried = replace(current.settings(), limits=Limits(settle_seconds=0.0001))
        settle(aws_farm(hurried, self.session), job.id)

    def worker(self) -> Worker:
        return workers.register(self.farm, workers.Description("w", task_types=("sleep",)), with_secret=True)[0]

    def take(self, worker: Worker) -> Assignment:
        self.claims += 1
        [assignment] = claiming.claim(self.farm, worker, f"r{self.claims}").assignments
        return assignment

    def end(self, one: Assignment, outcome: Outcome = Outcome.COMPLETED) -> None:
        leases.report(self.farm, one.lease.worker, one.task.id, one.lease.generation, leases.Report(outcome, 0, "no"))

    def in_another_process(self) -> None:
        """Nothing is remembered from here on: what is read is read by the function that needs it."""
        self.session = session = boto3.session.Session(region_name=REGION)
        self.recorder.needs.clear()
        self.recorder.listen_to(session)
        settings = current.settings()
        self.farm = aws_farm(settings, session)
        current.serve(self.farm, settings)


SHORT = {"name": "echo", "settings": {"message": "x"}}


def submission(count: int) -> jobs.Submission:
    """With settings that do not fit into an item, and tasks that wait for the first one."""
    echo = {"name": "echo", "settings": {"message": "x" * 150_000}}
    first = {"name": "t0", "task_type": "sleep", "commands": [echo]}
    more = [{**first, "name": f"t{n}", "commands": [SHORT], "parents": ["t0"]} for n in range(1, count)]
    return jobs.Submission("a job", "commands", {"tasks": [first, *more]}, max_retries=0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with mock_aws():
        session = boto3.session.Session(region_name=REGION)
        create_table(session.client("dynamodb"), "farm", INDEXES)
        place = {"LocationConstraint": REGION}
        session.client("s3").create_bucket(Bucket="farm", CreateBucketConfiguration=place)
        queue = session.client("sqs").create_queue(QueueName="errands")["QueueUrl"]
        settings = Settings(tmp_path, "farm", "farm", queue, "test")
        made = Bench(aws_farm(settings, session), session, Recorder())
        current.serve(made.farm, settings)
        yield made
        current.forget()


# ---- what each function does in its life ---------------------------------------------------------------------------


def manager_works(bench: Bench) -> None:
    bench.in_another_process()
    farm = bench.farm
    _, text = access.make_token(farm, "t", ["submit"])
    access.principal(farm, text)
    access.revoke(farm, access.tokens(farm)[0].id)
    job = bench.submit(2)
    worker = bench.worker()
    first = bench.take(worker)
    logs.append(farm, first.task, worker.id, first.lease.generation, 0, b"line")
    logs.read(farm, first.task, None, 0)
    upgrading.advance(farm)
    bench.end(first, Outcome.FAILED)
    assert farm.errands is not None
    farm.errands.settle(job.id)
    blob, _ = blobs.announce(farm, 3, "0" * 64)
    farm.objects.head(blob.object_key)
    large = bytes(17 * 1024 * 1024)
    farm.objects.put_stream("blobs/large", io.BytesIO(large), size=len(large))
    with pytest.raises(ObjectMismatch):
        farm.objects.put_stream("blobs/broken", io.BytesIO(large), size=len(large), sha256="0" * 64)
    farm.objects.sign_download("blobs/large", seconds=60, content_type="text/plain")
    farm.objects.touch("blobs/large")
    jobs.delete(farm, job.id)


def stream_tells(bench: Bench) -> None:
    """One task has failed and takes what waits for it along, another one has completed."""
    gone = bench.half_deleted()
    bench.submit(2)
    going_on = bench.submit(2)
    worker = bench.worker()
    ended = [
        bench.dies_after_the_end_of(bench.take(worker), event, outcome)
        for event, outcome in (("fail", Outcome.FAILED), ("complete", Outcome.COMPLETED))
    ]
    bench.in_another_process()
    deliver("table_changed", changes(*ended))
    settle(bench.farm, gone.id)
    bench.runs_out_of_time(going_on)


def queue_runs(bench: Bench) -> None:
    left = [bench.half_deleted(), *bench.half_done()]
    blobs.store_bytes(bench.farm, b"nobody needs this")
    with mock.patch.object(collecting, "DAY_MS", -86_400_000):  # what is old is what was stored before tomorrow
        collection = collecting.begin(bench.farm, older_than_days=1, dry_run=False)
    bench.in_another_process()
    deliver("errand_left", errands(*(json.dumps({"settle": str(job.id)}) for job in left)))
    with mock.patch.object(collecting, "PIECE_SECONDS", 0):
        for _ in range(20):
            deliver("errand_left", errands(json.dumps({"collect": str(collection.id)})))
    done = collecting.current(bench.farm)
    assert done is not None and done.phase == "done" and done.removed
    bench.runs_out_of_time(left[1])


def schedule_comes(bench: Bench) -> None:
    left = [bench.half_deleted(), *bench.half_done()]
    old = bench.ended()
    retention.write(bench.farm, ended_jobs_days=1, content_days=1)
    bench.in_another_process()
    with mock.patch.object(retention, "DAY_MS", -86_400_000):  # what is old is what ended before tomorrow
        deliver("minute_passed", recorded("schedule"))
    assert bench.farm.jobs.get(old.id) is None
    assert collecting.current(bench.farm) is not None
    bench.runs_out_of_time(left[1])


def object_comes(bench: Bench) -> None:
    bench.in_another_process()
    event = recorded("object_created")
    event["detail"]["object"]["key"] = "blobs/" + "0" * 64
    deliver("object_stored", event)


def fleet_is_looked_after(bench: Bench) -> None:
    """It grows, a machine calls, goes, and is ended; then another that the group wants to end is let go."""
    make_group(boto3.session.Session(region_name=REGION))
    settings = replace(said(most="1"), abilities=Abilities(frozenset({"sleep"})))
    bench.submit(1)
    bench.in_another_process()

    def minute() -> list[str]:
        group = scaling_group_of(settings, bench.session)
        fleet.look_after(bench.farm, settings, group)
        there = group.look()
        assert there is not None
        return [name for name in there.machines if not there.is_ending(name)]

    minute()
    [machine] = minute()
    assert bench.farm.objects.list(fleet.JOINS)
    described = workers.Description(machine, task_types=("sleep",), tags=("fleet",))
    worker, _ = workers.register(bench.farm, described, with_secret=True)
    minute()
    assert not bench.farm.objects.list(fleet.JOINS)
    workers.sign_off(bench.farm, worker)
    assert machine not in minute()
    client = bench.session.client("autoscaling")
    with Stubber(client) as stub:  # moto has no lifecycle hooks
        stub.add_response("complete_lifecycle_action", {})
        ScalingGroup(client, settings.group).may_end(machine)


def somebody_is_told_by_email(bench: Bench) -> None:
    boto3.session.Session(region_name=REGION).client("ses").verify_email_identity(EmailAddress=SENDER)
    hooks.create(bench.farm, "mailto:ann@example.com", ["job.canceled"])
    jobs.cancel(bench.farm, bench.submit(1).id)
    bench.in_another_process()
    settings = replace(current.settings(), mail_from=SENDER)
    current.serve(bench.farm, settings)
    with mock.patch.object(current, "mailer", lambda: mailer_of(settings, bench.session)):  # in the recorded session
        deliver("minute_passed", recorded("schedule"))
    [hook] = bench.farm.hooks.all()
    assert [one.status for one in hooks.deliveries(bench.farm, hook.id, 10)] == ["delivered"]


def workers_are_called(bench: Bench) -> None:
    """One of Flamenco 1 is given a task, and asked about it; the log that it answers with is kept."""
    current.serve(bench.farm, replace(current.settings(), push_networks=LOOPBACK))
    worker = PushedWorker()
    try:
        member = {"hostname": "node7", "port": worker.port, "system": "Linux 5.15"}
        registering.register(bench.farm, "127.0.0.1", parsed(wire.Registration, member))
        task = {"task_id": 41, "type": "print_string", "settings": '{"text": "hi"}', "parser": "blender_render"}
        submitting.submit(bench.farm, parsed(wire.NewTask, {**task, "priority": 50}), None, None)
        worker.log = "so far"
        bench.in_another_process()
        at_once = {"POLL_MS": 0, "BUSY_POLL_MS": 0}
        with mock.patch.object(schedule, "PUSH_SECONDS", 4.0), mock.patch.multiple(pushing, **at_once):
            deliver("minute_passed", recorded("schedule"))
    finally:
        worker.stop()
    assert worker.given
    assert any(need.action == "s3:PutObject" for need in bench.recorder.needs)


LIVES: dict[str, Callable[[Bench], None]] = {
    "APIHandlerRole": manager_works,
    "TableChangedRole": stream_tells,
    "ErrandLeftRole": queue_runs,
    "MinutePassedRole": schedule_comes,
    "ObjectStoredRole": object_comes,
}


# ---- the comparison ------------------------------------------------------------------------------------------------


def roles() -> dict[str, Any]:
    resources = template.infrastructure(NAMES)["Resources"]
    return {name: one for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"}


def test_every_function_has_a_life_here() -> None:
    assert set(roles()) == set(LIVES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", LIVES)
def test_a_function_may_do_what_it_does_and_nothing_else(bench: Bench, name: str) -> None:
    LIVES[name](bench)
    allowed = set(permissions(roles()[name]))
    refused = {need for need in bench.recorder.needs if not any(one.allows(need) for one in allowed)}
    assert not refused, f"{name} lacks permissions"
    idle = {one for one in allowed if not is_used(one, bench.recorder.needs)}
    assert not idle, f"{name} has permissions that it does not use"


def test_the_fleet_may_be_looked_after_and_nothing_else(bench: Bench) -> None:
    fleet_is_looked_after(bench)
    policy = template.read(template.INFRA / "fleet.yaml")["Resources"]["FleetPolicy"]
    assert policy["Condition"] == "HasFleet"
    [role] = [name["Ref"] for name in policy["Properties"]["Roles"]]
    more = set(statements(policy["Properties"]))
    allowed = {*permissions(roles()[role]), *more}
    assert not {need for need in bench.recorder.needs if not any(one.allows(need) for one in allowed)}
    assert not {one for one in more if not is_used(one, bench.recorder.needs)}


def test_workers_may_be_called_and_nothing_else(bench: Bench) -> None:
    workers_are_called(bench)
    policy = template.read(template.INFRA / "roles.yaml")["Resources"]["PushPolicy"]
    assert policy["Condition"] == "HasPushNetworks"
    [role] = [name["Ref"] for name in policy["Properties"]["Roles"]]
    more = set(statements(policy["Properties"]))
    allowed = {*permissions(roles()[role]), *more}
    assert not {need for need in bench.recorder.needs if not any(one.allows(need) for one in allowed)}
    assert not {one for one in more if not is_used(one, bench.recorder.needs)}


def test_email_may_be_sent_from_one_address_and_nothing_else(bench: Bench) -> None:
    somebody_is_told_by_email(bench)
    policy = template.read(template.INFRA / "roles.yaml")["Resources"]["MailPolicy"]
    assert policy["Condition"] == "HasMail"
    [role] = [name["Ref"] for name in policy["Properties"]["Roles"]]
    more = set(statements(policy["Properties"]))
    allowed = {*permissions(roles()[role]), *more}
    assert not {need for need in bench.recorder.needs if not any(one.allows(need) for one in allowed)}
    assert not {one for one in more if not is_used(one, bench.recorder.needs)}
    [statement] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {"StringEqualsIgnoreCase": {"ses:FromAddress": {"Ref": "MailFrom"}}}


def test_a_machine_of_the_fleet_reads_its_wheels_and_its_own_join_token() -> None:
    role = template.read(template.INFRA / "fleet.yaml")["Resources"]["FleetRole"]
    assert set(permissions(role)) == {
        ("s3:GetObject", "arn:AWS::Partition}:s3:::millrace-code-AWS::AccountId}-AWS::Region}/FleetBundle}"),
        ("s3:GetObject", f"Bucket/{fleet.JOINS}" + "!aws:userid}"),  # which IAM fills in
    }


def is_used(permission: Permission, needs: set[Need]) -> bool:
    if permission.action in USED_BY_LAMBDA or permission.pattern == "DeadEvents":
        return True
    if permission == ("dynamodb:Query", "Table/index/*"):
        return any(need.resource.startswith("Table/index/") for need in needs)
    if permission.pattern == "Table/index/*":
        return True  # the other actions know no indexes; one statement names both
    return any(permission.allows(need) for need in needs)


@pytest.mark.timeout(900)  # every life, on a machine with other things to do
def test_every_call_in_the_code_is_made_here(bench: Bench) -> None:
    """So that a new one meets the comparison above."""
    for live in (*LIVES.values(), fleet_is_looked_after, somebody_is_told_by_email, workers_are_called):
        live(bench)
    made = {xform_name(operation) for operation in bench.recorder.operations}
    assert calls_in_the_code() <= made
