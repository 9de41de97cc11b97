"""Plain `chalice deploy` on top of `./millrace deploy --only-infra`, as far as it goes without an account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import app
from deploy.chalice_config import FUNCTIONS
from tests.packaging.conftest import PACKAGE_SECONDS, clean_copy, pypi_is_there

SCRIPT = Path(__file__).with_name("plain_chalice.py")
Made = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    if not pypi_is_there(tmp_path_factory.mktemp("pip")):
        pytest.skip("missing system program: PyPI, or its mirror,")
    project = clean_copy(tmp_path_factory.mktemp("project"))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "made"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        timeout=PACKAGE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: Made = json.loads(done.stdout.splitlines()[-1])
    return found


def test_each_function_has_its_role_its_time_and_its_farm(made: Made) -> None:
    functions = {one["FunctionName"]: one for one in made["functions"]}
    named = {"millrace-made" if name == "api_handler" else f"millrace-made-{name}": name for name in FUNCTIONS}
    assert set(functions) == set(named)
    for name, function in functions.items():
        resource, more = FUNCTIONS[named[name]]
        assert function["Role"].endswith(f":role/{resource}")
        assert function["Timeout"] == more.get("lambda_timeout", 29)
        assert function["Architectures"] == ["arm64"]
        variables = function["Environment"]["Variables"]
        assert (variables["MILLRACE_TABLE"], variables["MILLRACE_WAIT_SECONDS"]) == ("millrace-made", "7")


def test_the_stream_and_the_queue_are_each_mapped_once_however_often_it_is_deployed(made: Made) -> None:
    mapped = {one["FunctionArn"].rpartition(":")[2]: one for one in made["mappings"]}
    assert len(made["mappings"]) == len(mapped) == 2
    assert ":table/millrace-made/stream/" in mapped["millrace-made-table_changed"]["EventSourceArn"]
    assert mapped["millrace-made-errand_left"]["EventSourceArn"].endswith(":errands")


def test_nobody_reads_which_part_of_a_batch_failed(made: Made) -> None:
    """Why a call that has done no errand fails as a whole (chalicelib/handlers/queue.py)."""
    assert not [one for one in made["mappings"] if one.get("FunctionResponseTypes")]


def test_the_minute_and_new_blobs_call_their_functions(made: Made) -> None:
    rules = {one["Targets"][0]["Arn"].rpartition(":")[2]: one for one in made["rules"]}
    assert rules["millrace-made-minute_passed"]["ScheduleExpression"] == "rate(1 minute)"
    pattern = json.loads(rules["millrace-made-object_stored"]["EventPattern"])
    assert pattern["detail"]["bucket"] == {"name": ["millrace-made-bucket"]}


def test_api_gateway_is_told_of_every_route_and_to_leave_bodies_as_they_are(made: Made) -> None:
    [first] = [body for name, body in made["told"] if name == "ImportRestApi"]
    [again] = [body for name, body in made["told"] if name == "PutRestApi"]
    for swagger in (first, again):
        routes = {path: set(verbs) for path, verbs in swagger["paths"].items()}
        assert routes == {path: {method.lower() for method in entries} for path, entries in app.routes.items()}
        assert swagger["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    uris = {
        one["x-amazon-apigateway-integration"]["uri"] for verbs in first["paths"].values() for one in verbs.values()
    }
    [uri] = uris
    assert uri.endswith(":function:millrace-made/invocations")
    assert [body["stageName"] for name, body in made["told"] if name == "CreateDeployment"] == ["api", "api"]
