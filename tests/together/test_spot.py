"""A worker on a machine that EC2 takes away: real processes, and a small metadata service in the place of EC2's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.together.conftest import Found
from tests.together.ensemble import Ensemble, Worker
from tests.together.submissions import outcomes, shell, submit, until_status
from tests.worker.imds import FakeMetadata
from tests.worker.processes import appears, until

ENOUGH = 60.0


@pytest.fixture
def imds() -> Iterator[FakeMetadata]:
    with FakeMetadata().served() as served:
        yield served


def on_ec2(farm: Ensemble, imds: FakeMetadata, name: str, *options: str) -> Worker:
    farm.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.address
    return farm.worker(name, "--on-ec2", *options)


def test_what_cannot_end_in_time_is_handed_back_and_costs_no_retry(
    found: Found, imds: FakeMetadata, tmp_path: Path
) -> None:
    farm = found()
    worker = on_ec2(farm, imds, "i-one")
    begun = tmp_path / "begun"
    script = f"echo so far so good; if mkdir {begun}; then sleep 600; fi"
    job = submit(farm.farm, shell("long", script), max_retries=0)
    appears(begun, ENOUGH)
    imds.spot_takes_it_in(33)
    until(lambda: not worker.runs, "the worker's end", ENOUGH)
    assert worker.process.returncode == 0  # a service manager that starts it again on failure leaves it alone
    assert outcomes(farm.farm, job) == [("long", ["interrupted"])]
    assert "about to go (spot)" in worker.output and "Signed off" in worker.output
    assert "so far so good" in farm.farm.log(next(iter(farm.farm.tasks(job)))).text
    farm.worker("another")
    assert farm.farm.wait(job, ENOUGH).status == "completed"
    assert outcomes(farm.farm, job) == [("long", ["interrupted", "completed"])]
    assert [one.status for one in farm.farm.workers() if one.name == "i-one"] == ["offline"]


def test_what_ends_in_time_is_completed_and_nothing_new_is_taken(
    found: Found, imds: FakeMetadata, tmp_path: Path
) -> None:
    farm = found()
    worker = on_ec2(farm, imds, "i-one")
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    wait = f"mkdir {begun}; until [ -e {go_on} ]; do sleep 0.1; done"
    job = submit(farm.farm, shell("first", wait), shell("second", "true", parents=["first"]))
    appears(begun, ENOUGH)
    imds.spot_takes_it_in(120)
    until(lambda: "drain" in worker.output, "the drain", ENOUGH)
    go_on.touch()
    until(lambda: not worker.runs, "the worker's end", ENOUGH)
    assert outcomes(farm.farm, job) == [("first", ["completed"]), ("second", [])]


def test_a_recommendation_lets_tasks_end_and_a_notice_after_it_does_not(
    found: Found, imds: FakeMetadata, tmp_path: Path
) -> None:
    farm = found()
    worker = on_ec2(farm, imds, "i-one")
    begun = tmp_path / "begun"
    job = submit(farm.farm, shell("long", f"mkdir {begun} && sleep 600"), max_retries=0)
    appears(begun, ENOUGH)
    imds.spot_may_take_it()
    until(lambda: "drain" in worker.output, "the drain", ENOUGH)
    assert worker.runs
    until_status(farm.farm, job, "active")
    imds.said["autoscaling/target-lifecycle-state"] = "Terminated"
    imds.spot_takes_it_in(0)
    until(lambda: not worker.runs, "the worker's end", ENOUGH)
    assert outcomes(farm.farm, job) == [("long", ["interrupted"])]
    assert "about to go (group)" in worker.output


def test_nobody_asks_a_metadata_service_unasked(found: Found, imds: FakeMetadata) -> None:
    farm = found()
    imds.spot_takes_it_in(0)
    farm.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.address
    farm.worker("one")
    job = submit(farm.farm, shell("short", "sleep 7"))
    assert farm.farm.wait(job, ENOUGH).status == "completed"
    assert imds.asked == []


def test_where_no_metadata_service_answers_work_goes_on(found: Found, imds: FakeMetadata) -> None:
    farm = found()
    imds.address += "/nothing-here"
    worker = on_ec2(farm, imds, "one")
    job = submit(farm.farm, shell("short", "sleep 7"))
    assert farm.farm.wait(job, ENOUGH).status == "completed"
    assert worker.runs
