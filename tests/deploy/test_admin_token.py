"""An admin who has lost their token lets themselves in again, with the rights they have in the account."""

from __future__ import annotations

import pytest
from moto import mock_aws

from chalicelib.core import access
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.dynamo import create_table
from deploy import deployed
from deploy.__main__ import main
from deploy.account import connect
from deploy.stack import Described, Stack

REGION = "eu-west-1"
ARGUMENTS = ["admin-token", "--stage", "prod", "--region", REGION]


def test_a_lost_admin_token_is_replaced_and_the_others_stay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Described("UPDATE_COMPLETE", "", {"TableName": "farm", "BucketName": "farm"}, {})
    monkeypatch.setattr(Stack, "describe", lambda _: there)  # moto's CloudFormation would need more packages
    with mock_aws():
        account = connect(REGION)
        create_table(account.client("dynamodb"), "farm", INDEXES)
        farm = deployed.farm_of(account, there)
        first = deployed.first_token(farm)
        assert main(ARGUMENTS) == 0
        told = capsys.readouterr().out.rpartition(": ")[2].strip()
        assert first is not None and told != first
        for text in (first, told):
            principal = access.principal(farm, text)
            assert principal is not None and "admin" in principal.scopes


def test_where_nothing_is_deployed_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "describe", lambda _: None)
    with mock_aws():
        assert main(ARGUMENTS) == 1
    assert "there is no stack millrace-prod in eu-west-1; deploy it first" in capsys.readouterr().err
