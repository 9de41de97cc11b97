"""What is deployed: small, complete, the same each time, and nothing in it that AWS Lambda has no use for."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from chalicelib.install.packing import packed
from deploy import build as building
from deploy.build import ROOT
from deploy.chalice_config import FUNCTIONS, VARIABLES, stage_config
from tests.packaging.conftest import ARCHITECTURE, PACKAGE_SECONDS, Package, built_or_skip, chalice

MOST_BYTES = 15_000_000
LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
import app
print(len(app.app.routes), *sorted({name.partition(".")[0] for name in sys.modules}))
"""
LOOK_AT_THE_ROOMS = """
import os, sys
os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "millrace"
sys.path.insert(0, sys.argv[1])
import app
routes = len(app.app.routes)
found = app.app.paths.find("POST", "/worker/1/contract")
print(routes, found.pattern, len(app.app.routes), *sorted(name for name in sys.modules if name.endswith(".routes")))
"""
LOOK_AT_THE_DOORS = """
import sys
sys.path.insert(0, sys.argv[1])
from chalicelib.handlers import doors
print(*sorted(name for name in sys.modules if name.startswith("chalicelib.")))
"""


def looked(package: Package, look: str) -> list[str]:
    """`-I -S`: neither the checkout nor this environment's packages are in reach."""
    command = [sys.executable, "-I", "-S", "-c", look, str(package.unpacked)]
    done = subprocess.run(command, cwd=package.unpacked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_archive_is_small(package: Package) -> None:
    assert package.build.archive.stat().st_size < MOST_BYTES


def test_the_archive_holds_the_manager_and_nothing_else_of_ours(package: Package) -> None:
    names = {path.name for path in package.unpacked.iterdir()}
    assert {"app.py", "chalicelib", "chalice", "pydantic"} <= names
    assert not names & {"worker", "millrace", "deploy", "infra", "tests", "docs", "boto3", "botocore", "orjson"}


def test_byte_code_goes_along_and_is_taken_as_it_is(package: Package) -> None:
    """Flags 1: it is named by its content and not compared with it, so that times do not count."""
    sources = list((package.unpacked / "chalicelib").rglob("*.py"))
    assert len(sources) > 100
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source)))
        assert compiled.read_bytes()[4:8] == b"\x01\0\0\0", source
    assert (
        b"/var/task/chalicelib/rooms.py"
        in Path(importlib.util.cache_from_source(str(package.unpacked / "chalicelib" / "rooms.py"))).read_bytes()
    )


def test_the_archive_brings_the_worker_of_its_own_release(package: Package) -> None:
    served = package.unpacked / "chalicelib/install/served"
    wheel = packed(ROOT / "worker")
    assert {path.name: path.read_bytes() for path in served.glob("*.whl")} == {wheel.name: wheel.data}
    assert (served / "requirements.lock").read_bytes() == (ROOT / "worker/requirements.lock").read_bytes()


def test_the_list_of_parts_names_all_that_is_in_the_archive_and_not_ours(package: Package) -> None:
    parts = {part["name"]: part for part in json.loads((package.unpacked / building.BILL).read_text())["components"]}
    there = {path.name for path in package.unpacked.iterdir() if (path / "__init__.py").exists()}
    assert {name.replace("_", "-") for name in there - {"chalicelib"}} <= {name.replace("_", "-") for name in parts}
    assert parts["chalice"]["version"] == version("chalice")
    [wheel] = (package.unpacked / building.SERVED).glob("*.whl")
    assert parts[wheel.name]["hashes"][0]["content"] == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_archive_runs_with_nothing_but_the_standard_library_beside_it(package: Package) -> None:
    routes, *modules = looked(package, LOOK)
    assert int(routes) > 20
    assert not set(modules) & {"boto3", "orjson", "requests", "click", "sqlite3"}


def test_functions_that_are_not_http_start_without_the_rooms(package: Package) -> None:
    modules = looked(package, LOOK_AT_THE_DOORS)
    assert "chalicelib.handlers.doors" in modules
    assert not [name for name in modules if name.startswith(("chalicelib.dialects", "chalicelib.api"))]


def test_on_lambda_a_room_is_registered_when_the_first_request_for_it_comes(package: Package) -> None:
    before, pattern, after, *rooms = looked(package, LOOK_AT_THE_ROOMS)
    assert (int(before), pattern, rooms) == (1, "/worker/{id}/contract", ["chalicelib.dialects.pleiades.routes"])
    assert int(after) > 20


@pytest.mark.full
def test_the_same_checkout_gives_the_same_archive(package: Package, tmp_path: Path) -> None:
    again = built_or_skip(tmp_path / "again", ARCHITECTURE)
    assert again.sha256 == package.build.sha256
    assert again.template == package.build.template


@pytest.mark.full
def test_wheels_are_for_the_processor_that_was_asked_for(tmp_path: Path) -> None:
    built = built_or_skip(tmp_path / "arm", "arm64")
    libraries = [name for name in zipfile.ZipFile(built.archive).namelist() if name.endswith(".so")]
    assert libraries and all("aarch64" in name for name in libraries)
    functions = [one for one in built.template["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
    assert {one["Properties"]["Architectures"][0] for one in functions} == {"arm64"}


def test_every_version_is_that_of_the_constraints(package: Package) -> None:
    lines = (building.ROOT / "constraints.txt").read_text() + (building.ROOT / "requirements.txt").read_text()
    pinned = {line.partition(" ")[0].lower() for line in lines.splitlines()}
    for info in package.unpacked.glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        assert {f"{name}=={version}".lower(), f"{name.replace('_', '-')}=={version}".lower()} & pinned, info.name


def test_signed_uploads_of_one_machine_are_no_routes_on_aws(package: Package) -> None:
    paths = package.build.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    assert "/api/v1/farm" in paths
    assert not [path for path in paths if path.startswith("/objects")]


def test_plain_chalice_packages_a_stage_whose_infrastructure_is_there(project: Path, tmp_path: Path) -> None:
    """`./millrace deploy --only-infra` writes the stage; here its outputs are made up."""
    outputs = {
        name: f"the-{name}" for name in ("Stage", "TableName", "BucketName", "QueueUrl", "QueueArn", "StreamArn")
    }
    roles = {f"{name}RoleArn": f"arn:aws:iam::123456789012:role/{name}" for name, _ in FUNCTIONS.values()}
    config = json.loads((project / ".chalice" / "config.json").read_text())
    config["stages"]["made"] = stage_config({**outputs, **roles}, dict.fromkeys(VARIABLES.values(), "1"), "arm64")
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    command = chalice("package", "--stage", "made", str(tmp_path / "out"))
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=PACKAGE_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    resources = json.loads((tmp_path / "out" / "sam.json").read_text())["Resources"]
    functions = {name: one["Properties"] for name, one in resources.items() if one["Type"].endswith("::Function")}
    assert {name: one["Role"] for name, one in functions.items()} == {
        name: f"arn:aws:iam::123456789012:role/{name}" for name, _ in FUNCTIONS.values()
    }
    assert functions["APIHandler"]["Environment"]["Variables"]["MILLRACE_QUEUE"] == "the-QueueUrl"
    source = functions["TableChanged"]["Events"]["TableChangedDynamodbEventSource"]["Properties"]
    assert source["Stream"] == "the-StreamArn"
