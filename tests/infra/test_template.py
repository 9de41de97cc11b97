"""The one stack: what CloudFormation would refuse, and what the farm relies on."""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api import problems
from chalicelib.core.records.keys import INDEXES
from chalicelib.dialects.flamenco2 import replies, routes, task_routes, worker_routes
from deploy import template
from deploy.chalice_config import FUNCTIONS
from tests.infra.conftest import NAMES

MOST_BYTES = 1_000_000
"""What CloudFormation reads from a bucket."""


def complaints(text: dict[str, Any], folder: Path, *ignored: str) -> str:
    path = folder / "template.json"
    path.write_text(json.dumps(text, indent=1))
    ignore = ["--ignore-checks", *ignored] if ignored else []
    lint = [sys.executable, "-c", "from cfnlint.runner import main; main()", *ignore, "--", str(path)]
    done = subprocess.run(lint, capture_output=True, text=True, timeout=100)
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return done.stdout


def test_cloudformation_has_nothing_to_complain_about(whole: dict[str, Any], tmp_path: Path) -> None:
    assert complaints(whole, tmp_path) == ""


def test_the_infrastructure_alone_is_a_stack_too(tmp_path: Path) -> None:
    """It does not use all parameters and conditions: those of the functions wait for them. One thing is broken here,
    to see that something is checked at all."""
    wrong = template.infrastructure(NAMES)
    wrong["Resources"]["Table"]["Properties"]["StreamSpecification"]["StreamViewType"] = "BOTH"
    [complaint] = complaints(wrong, tmp_path, "W2001", "W8001").strip().split("\n\n")
    assert "'BOTH' is not one of" in complaint


def test_the_whole_template_fits(whole: dict[str, Any]) -> None:
    assert len(template.as_text(whole)) < MOST_BYTES
    assert len(whole["Resources"]) < 400


def test_every_file_of_infra_is_in_the_stack() -> None:
    assert {path.stem for path in template.INFRA.iterdir()} == set(template.WITH_THE_APP)


# ---- what the farm relies on ---------------------------------------------------------------------------------------


def test_the_table_has_the_keys_and_indexes_that_the_records_ask_for(resources: dict[str, Any]) -> None:
    table = resources["Table"]["Properties"]
    for index in table["GlobalSecondaryIndexes"]:
        name = index["IndexName"]
        keys = [(key["AttributeName"], key["KeyType"]) for key in index["KeySchema"]]
        assert keys == [(f"{name}_pk", "HASH"), (f"{name}_sk", "RANGE")]
        assert tuple(index["Projection"].get("NonKeyAttributes", ())) == INDEXES[name]
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == set(INDEXES)
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]


@pytest.mark.parametrize("name", NAMES)
def test_data_outlives_the_stack_and_is_found_again(resources: dict[str, Any], name: str) -> None:
    """A stack made anew imports only what is retained and has its name written out."""
    kept = resources[name]
    assert kept["DeletionPolicy"] == "Retain"
    assert kept["UpdateReplacePolicy"] == "Retain"
    assert kept["Properties"][f"{name}Name"] == NAMES[name]


def test_every_function_has_its_role_its_log_and_its_farm(resources: dict[str, Any]) -> None:
    functions = {name for name, one in resources.items() if one["Type"] == template.FUNCTION}
    assert functions == {name for name, _ in FUNCTIONS.values()}
    for name in functions:
        properties = resources[name]["Properties"]
        assert properties["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
        assert properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{name}Log"}
        assert properties["Environment"]["Variables"]["MILLRACE_TABLE"] == {"Ref": "Table"}
        assert properties["Architectures"] and properties["Timeout"] <= 300


def test_every_function_logs_fields_and_each_attempt(resources: dict[str, Any]) -> None:
    """Of other formats the runtime writes the message alone, without ids."""
    for name, _ in FUNCTIONS.values():
        properties = resources[name]["Properties"]
        assert properties["LoggingConfig"]["LogFormat"] == "JSON"
        assert properties["Environment"]["Variables"]["MILLRACE_LOG"] == "json"


def test_the_table_can_be_had_as_it_was_at_any_moment_and_is_not_deleted(resources: dict[str, Any]) -> None:
    table = resources["Table"]
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"


def test_a_message_is_not_given_out_again_while_its_function_runs(resources: dict[str, Any]) -> None:
    visible_after = resources["Errands"]["Properties"]["VisibilityTimeout"]
    assert visible_after >= 6 * resources["ErrandLeft"]["Properties"]["Timeout"]


@pytest.mark.parametrize("name", ["TableChanged", "ErrandLeft"])
def test_a_turn_ends_before_its_function_is_cut_off(resources: dict[str, Any], name: str) -> None:
    properties = resources[name]["Properties"]
    turn = int(properties["Environment"]["Variables"]["MILLRACE_SETTLE_SECONDS"])
    assert turn + 30 <= properties["Timeout"]


def test_what_fails_goes_nowhere_unseen(resources: dict[str, Any]) -> None:
    """Each event source has a place for what was given up, and an alarm looks at each such place."""
    stream = resources["TableChanged"]["Properties"]["Events"]["TableChangedDynamodbEventSource"]["Properties"]
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["BisectBatchOnFunctionError"] is True
    places = [stream["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]]
    for name in ("MinutePassed", "ObjectStored"):
        invoke = resources[name]["Properties"]["EventInvokeConfig"]
        places.append(invoke["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0])
    places.append(resources["Errands"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0])
    alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in alarms
        for dimension in alarm["Dimensions"]
        if alarm["Namespace"] == "AWS/SQS"
    }
    assert set(places) == watched
    assert len(alarms) <= 10  # more would cost


def test_a_sweep_that_fails_each_minute_is_no_sweep(resources: dict[str, Any]) -> None:
    """What the alarm counts is told after the sweep (tests/handlers/test_schedule_and_objects.py)."""
    alarm = resources["SweepAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Millrace", "OldestQueuedSeconds")
    assert alarm["Dimensions"] == [{"Name": "Stage", "Value": {"Ref": "Stage"}}]
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
        *("SampleCount", "LessThanThreshold"),
        1,
    )
    assert alarm["TreatMissingData"] == "breaching"


def test_nothing_of_the_bucket_is_public(resources: dict[str, Any]) -> None:
    bucket = resources["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    [statement] = resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"


def test_the_bucket_forgets_what_was_left_and_no_sooner_than_its_owner_comes_back(resources: dict[str, Any]) -> None:
    """By prefix: an object that a job needs is under none that forgets."""
    rules = {one["Id"]: one for one in resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    assert rules["forget-unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rules["forget-unfinished-collections"]["ExpirationInDays"] == 30
    expiring = {(one["Prefix"], bool(one.get("TagFilters"))) for one in rules.values() if "ExpirationInDays" in one}
    assert expiring == {("logs/", False), ("collections/", False), ("blobs/", True)}


def test_layers_keep_what_they_say_nothing_about() -> None:
    below = {"A": {"x": 1, "y": {"z": [1]}}, "B": 1}
    above = {"A": {"x": {"Ref": "X"}, "y": {"w": 2}}, "C": 3}
    assert template.laid_over(below, above) == {"A": {"x": {"Ref": "X"}, "y": {"z": [1], "w": 2}}, "B": 1, "C": 3}
    assert template.laid_over({"a": {"b": 1}}, {"a": {"Fn::If": []}}) == {"a": {"Fn::If": []}}


def test_cloudfront_puts_on_the_challenges_that_lambda_renames(resources: dict[str, Any]) -> None:
    """By path: what asks for a password there, and with the same words as the app."""
    headers = {
        name: one["Properties"]["ResponseHeadersPolicyConfig"]["CustomHeadersConfig"]["Items"][0]["Value"]
        for name, one in resources.items()
        if one["Type"] == "AWS::CloudFront::ResponseHeadersPolicy"
    }
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    said = {
        one["PathPattern"]: headers[one["ResponseHeadersPolicyId"]["Ref"]] for one in distribution["CacheBehaviors"]
    }
    assert said["/api/v1/*"] == problems.CHALLENGE["WWW-Authenticate"]
    without = {"/register-worker", "/logfile/{id}/{task_id}"}
    modules = (worker_routes.__name__, task_routes.__name__)
    workers = {route.path for route in routes.ROUTES if route.view.__module__ in modules}
    assert len(workers) >= 11
    for path in workers - without:
        matching = [text for pattern, text in said.items() if fnmatch(path, pattern)]
        assert matching == [replies.CHALLENGE["WWW-Authenticate"]], path
