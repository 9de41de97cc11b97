"""What `chalice package` makes: small, complete, and nothing in it that AWS Lambda has no use for."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.packaging.conftest import Package

MOST_BYTES = 15_000_000
LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
import app
print(len(app.app.routes), *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_archive_is_small(package: Package) -> None:
    assert package.archive.stat().st_size < MOST_BYTES


def test_the_archive_holds_the_manager_and_nothing_else_of_ours(package: Package) -> None:
    names = {path.name for path in package.unpacked.iterdir()}
    assert {"app.py", "chalicelib", "chalice", "pydantic"} <= names
    assert not names & {"worker", "millrace", "tests", "docs", "boto3", "botocore", "orjson"}
    assert not list((package.unpacked / "chalicelib").rglob("*.pyc"))


def test_the_archive_runs_with_nothing_but_the_standard_library_beside_it(package: Package) -> None:
    """`-I -S`: neither the checkout nor this environment's packages are in reach."""
    look = [sys.executable, "-I", "-S", "-c", LOOK, str(package.unpacked)]
    done = subprocess.run(look, cwd=package.unpacked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    routes, *modules = done.stdout.split()
    assert int(routes) > 20
    assert not set(modules) & {"boto3", "orjson", "requests", "click", "sqlite3"}


def test_the_template_names_the_function_its_role_and_its_farm(package: Package) -> None:
    resources = json.loads(package.template.read_text())["Resources"]
    function = resources["APIHandler"]["Properties"]
    assert function["Handler"] == "app.app"
    assert 0 < function["Timeout"] <= 29
    assert function["Environment"]["Variables"].keys() >= {"MILLRACE_TABLE", "MILLRACE_BUCKET"}
    assert resources["RestAPI"]["Properties"]["StageName"] == "api"


def test_the_role_reaches_nothing_but_the_farms_own_things(package: Package) -> None:
    resources = json.loads(package.template.read_text())["Resources"]
    [policy] = resources["ApiHandlerRole"]["Properties"]["Policies"]
    for statement in policy["PolicyDocument"]["Statement"]:
        reached = statement["Resource"]
        for name in [reached] if isinstance(reached, str) else reached:
            assert "millrace-" in name, statement
        assert not any("*" in action for action in statement["Action"]), statement
