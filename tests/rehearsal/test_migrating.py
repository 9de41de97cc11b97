"""A farm on one machine is copied up by the command, in parallel, onto a table that does not lose concurrent writes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from chalicelib.bootstrap import embedded_farm
from chalicelib.config import Settings
from chalicelib.core import blobs, jobs, sweeping, workers
from chalicelib.store.sqlite import SqliteTable
from deploy import account as accounts
from deploy import deployed
from deploy.stack import Stack
from tests.deploy.test_migrating import LARGE, end, submit, take
from tests.engines.ministack import REGION, Ministack
from tests.rehearsal.conftest import Checkout, session

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

STAGE = "moved"
JOBS = 60


def test_the_command_brings_a_farm_up_and_running_it_again_changes_nothing(
    checkout: Checkout, ministack: Ministack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = embedded_farm(Settings(data=tmp_path / "data"))
    worker, _ = workers.register(below, workers.Description("w", task_types=("sleep",)), with_secret=True)
    many = [submit(below, f"job {number}", "next", "last") for number in range(JOBS)]
    end(below, take(below, worker, "r1"))
    held = take(below, worker, "r2")
    blob = blobs.store_bytes(below, LARGE)
    assert isinstance(below.table, SqliteTable)
    below.table.close()
    checkout.succeeds("deploy", "--stage", STAGE, "--only-infra")
    assert "Everything is there." in checkout.succeeds("migrate", "--stage", STAGE, "--data", str(tmp_path / "data"))
    assert "Copied 0 items." in checkout.succeeds("migrate", "--stage", STAGE, "--data", str(tmp_path / "data"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    there = Stack(ministack.client("cloudformation"), f"millrace-{STAGE}", print).describe()
    assert there is not None
    above = deployed.farm_of(accounts.Account(session(), "000000000000", REGION), there)
    assert hashlib.sha256(above.objects.get(blob.object_key) or b"").hexdigest() == blob.sha256
    assert {job.id for job in above.jobs.page(None, 1000, None)[0]} == set(many)
    same = above.workers.get(worker.id)
    assert same is not None
    end(above, held)  # the worker reports here what it was given there
    for number in range(3 * JOBS - 2):
        end(above, take(above, same, f"r{number + 3}"))
    sweeping.sweep(above, thorough=True)
    assert {jobs.get(above, one).status for one in many} == {"completed"}
    checkout.succeeds("destroy", "--stage", STAGE, "--yes", "--delete-data")
