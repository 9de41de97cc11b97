"""A farm deployed into ministack by `./millrace deploy`, from a copy of the checkout that a test may change."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.core.farm import Farm as Manager
from deploy import account as accounts
from deploy import deployed
from deploy.stack import Stack
from deploy.stage import Stage
from millrace import Farm
from tests.engines.ministack import REGION, Ministack
from tests.packaging.conftest import clean_copy
from tests.rehearsal.front import Front

ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
COMMAND_SECONDS = 400
STAGE = Stage("rehearsal")
LAST_OF_THE_API = "          MILLRACE_EDGE_SECRET: !Ref EdgeSecret\n"
SHORT_TURNS = '          MILLRACE_SETTLE_SECONDS: "0.5"\n'
"""Calls leave work to the queue sooner, so that a job need not be huge to show it."""


@dataclass(frozen=True)
class Checkout:
    """Runs our command line against ministack."""

    folder: Path
    environment: dict[str, str]

    def millrace(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command, *options = arguments
        where = ["--region", REGION] if "--region" not in options else []
        return subprocess.run(
            [sys.executable, "-m", "deploy", command, *options, *where],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def succeeds(self, *arguments: str) -> str:
        done = self.millrace(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@dataclass(frozen=True)
class Deployment:
    checkout: Checkout
    aws: Ministack
    url: str
    token: str
    said: str

    @property
    def farm(self) -> Farm:
        return Farm(self.url, self.token, patience_seconds=30.0)

    @property
    def manager(self) -> Manager:
        """The deployed farm, spoken to past its API."""
        account = accounts.Account(session(), "000000000000", REGION)
        there = self.stack.describe()
        assert there is not None
        return deployed.farm_of(account, there)

    @property
    def stack(self) -> Stack:
        return Stack(self.aws.client("cloudformation"), STAGE.stack, print)

    def redeploy(self, *options: str) -> str:
        return self.checkout.succeeds("deploy", *deploy_options(self.url), *options)


def session() -> accounts.boto3.session.Session:
    return accounts.boto3.session.Session("test", "test", region_name=REGION)


def deploy_options(url: str) -> list[str]:
    return ["--stage", STAGE.name, "--architecture", ARCHITECTURE, "--url", url]


@pytest.fixture(scope="module")
def checkout(ministack: Ministack, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    if shutil.which("git") is None:
        pytest.skip("missing system program: git")
    folder = clean_copy(tmp_path_factory.mktemp("checkout"))
    functions = folder / "infra" / "functions.yaml"
    text = functions.read_text()
    assert text.count(LAST_OF_THE_API) == 1, "the API's environment ends otherwise now"
    functions.write_text(text.replace(LAST_OF_THE_API, LAST_OF_THE_API + SHORT_TURNS))
    return Checkout(folder, ministack.environment)


@pytest.fixture(scope="module")
def deployment(ministack: Ministack, checkout: Checkout) -> Iterator[Deployment]:
    """Deployed once for a module, and gone after it; `token` is what the command told, once."""
    front = Front(ministack)
    said = checkout.succeeds("deploy", *deploy_options(front.url))
    print(said)
    found = re.search(r"Admin token \(told only once\): (\S+)", said)
    assert found is not None, said
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", ministack.url)
        yield Deployment(checkout, ministack, front.url, found[1], said)
    checkout.millrace("destroy", "--stage", STAGE.name, "--yes", "--delete-data")  # the next module's is a new one
    front.close()
    print(ministack.log.read_text()[-20_000:])
