"""Every recorded exchange of the protocol's sheet is answered as recorded, by every kind of server, on a new farm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.compilers import JOB_TYPES
from chalicelib.config import Settings
from chalicelib.core.farm import Farm
from chalicelib.core.records.keys import INDEXES
from chalicelib.dialects.transcode import routes
from chalicelib.edge import current
from chalicelib.embedded.bell import PollingBell
from chalicelib.store.dynamo import DynamoTable, create_table
from chalicelib.store.s3 import S3ObjectStore
from tests.contract.replay import InProcess, OverHttp, replay
from tests.dialects.transcode.conftest import MovableClock, Site, the_app

FOLDER = Path(__file__).parents[2] / "contract" / "transcode"
RECORDINGS = sorted(FOLDER.glob("*.json"))
BETWEEN_BOTH = sorted((FOLDER / "worker").glob("*.json"))
"""What the manager sends to a worker, and what a worker says of its task: `test_pushing.py` has these, and the tests
of our own worker's listener."""


def read(path: Path) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads(path.read_text())
    return recording


def test_there_is_a_recording_for_every_example_of_the_sheet() -> None:
    sources = {read(path)["source"] for path in [*RECORDINGS, *BETWEEN_BOTH]}
    assert {f"protocols/transcode.md section 13.{n}" for n in range(1, 16)} <= sources


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_chalice_in_this_process_answers_as_recorded(farm: Farm, path: Path) -> None:
    replay(read(path), InProcess(the_app()))


def test_the_embedded_server_answers_as_recorded_one_after_the_other(site: Site) -> None:
    transport = OverHttp()
    for path in RECORDINGS:
        replay(read(path), transport, site.url)
    transport.close()


@pytest.fixture
def aws_farm(tmp_path: Path) -> Iterator[Farm]:
    """DynamoDB and S3 under moto, as on Lambda."""
    with mock_aws():
        dynamo, s3 = boto3.client("dynamodb"), boto3.client("s3")
        create_table(dynamo, "farm", INDEXES)
        s3.create_bucket(Bucket="farm", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        table, objects = DynamoTable(dynamo, "farm", INDEXES), S3ObjectStore(s3, "farm")
        farm = Farm(table, objects, MovableClock(), PollingBell(), JOB_TYPES)
        current.serve(farm, Settings(data=tmp_path, table="farm", bucket="farm", delivery="redirect"))
        yield farm
        current.forget()


def test_the_engines_of_aws_answer_as_recorded(aws_farm: Farm) -> None:
    for path in RECORDINGS:
        replay(read(path), InProcess(the_app()))


def test_every_route_is_served(farm: Farm) -> None:
    served = the_app().routes
    for route in routes.ROUTES:
        assert set(route.methods) == set(served[route.path])
