"""The end of a farm on AWS, on a stand-in: destroyed, revived with its data, and destroyed with them.

On a deployment of its own: nobody else may need it afterwards.
"""

from __future__ import annotations

import pytest

from tests.rehearsal.conftest import STAGE, Deployment
from tests.together.submissions import shell, submit

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def test_destroyed_it_keeps_its_data_and_comes_back_with_it_and_with_its_data_nothing_is_left(
    deployment: Deployment,
) -> None:
    farm = deployment.farm
    submit(farm, shell("only", "true", type="nobody-does-this"))
    before = {job.id: job.status for job in farm.jobs()}
    assert before
    said = deployment.checkout.succeeds("destroy", "--stage", STAGE.name, "--yes")
    assert "Kept: the table millrace-rehearsal" in said
    assert deployment.stack.describe() is None
    said = deployment.redeploy()
    assert "is taken up again" in said
    assert "Admin token" not in said
    assert {job.id: job.status for job in farm.jobs()} == before
    deployment.checkout.succeeds("destroy", "--stage", STAGE.name, "--yes", "--delete-data")
    assert deployment.stack.describe() is None
    assert STAGE.table not in deployment.aws.client("dynamodb").list_tables()["TableNames"]
    names = [bucket["Name"] for bucket in deployment.aws.client("s3").list_buckets()["Buckets"]]
    assert not [name for name in names if name.startswith(STAGE.stack)]
    assert deployment.checkout.millrace("status", "--stage", STAGE.name).returncode == 1
