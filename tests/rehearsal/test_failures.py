"""Deployments that cannot succeed: nothing stays half done, and the message says what is wrong. Without functions,
since those take time and add nothing here."""

from __future__ import annotations

import json

import pytest

from tests.engines.ministack import Ministack
from tests.rehearsal.conftest import Checkout

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]


TAKEN = """
  Taken:
    Type: AWS::SSM::Parameter
    Properties: {Name: /taken, Type: String, Value: ours}
"""


def test_a_creation_that_fails_is_rolled_back_and_the_next_one_succeeds(
    checkout: Checkout, ministack: Ministack
) -> None:
    ssm = ministack.client("ssm")
    ssm.put_parameter(Name="/taken", Type="String", Value="by somebody else")
    queues = checkout.folder / "infra" / "queues.yaml"
    queues.write_text(queues.read_text().replace("Resources:\n", f"Resources:\n{TAKEN}", 1))
    failed = checkout.millrace("deploy", "--stage", "other", "--only-infra")
    assert failed.returncode == 1
    assert "Taken: " in failed.stderr and "ROLLBACK_COMPLETE" in failed.stderr
    ssm.delete_parameter(Name="/taken")
    said = checkout.succeeds("deploy", "--stage", "other", "--only-infra", "--wait-seconds", "3")
    assert "removing what is left of it" in said
    assert "The data of an earlier millrace-other is taken up again." in said
    config = json.loads((checkout.folder / ".chalice" / "config.json").read_text())
    made = config["stages"]["other"]
    assert made["environment_variables"]["MILLRACE_TABLE"] == "millrace-other"
    assert made["environment_variables"]["MILLRACE_WAIT_SECONDS"] == "3"
    assert made["lambda_functions"]["errand_left"]["iam_role_arn"].startswith("arn:aws:iam::")
    assert set(config["stages"]) == {"local", "dev", "other"}
    checkout.succeeds("deploy", "--stage", "other", "--only-infra", "--url", "https://x.example.com/api")
    [rule] = ministack.client("s3").get_bucket_cors(Bucket=made["environment_variables"]["MILLRACE_BUCKET"])[
        "CORSRules"
    ]
    assert rule["AllowedOrigins"] == ["https://x.example.com"]
    checkout.succeeds("destroy", "--stage", "other", "--yes", "--delete-data")


def test_a_stack_that_does_not_exist_has_no_status(checkout: Checkout) -> None:
    told = checkout.millrace("status", "--stage", "nowhere")
    assert (told.returncode, told.stderr) == (1, "millrace: there is no stack millrace-nowhere in eu-central-1\n")


def test_destroy_asks_first(checkout: Checkout) -> None:
    assert checkout.millrace("destroy", "--stage", "other").returncode != 0
