"""The template of a whole farm, as `./millrace deploy` sends it."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import template
from deploy.stage import Stage
from tests.packaging.conftest import Package, package

__all__ = ["package"]
NAMES = Stage("prod").names("123456789012", "eu-central-1")


@pytest.fixture(scope="session")
def whole(package: Package) -> dict[str, Any]:
    return template.whole(package.build.template, {"Bucket": "code", "Key": "archive.zip"}, NAMES)


@pytest.fixture(scope="session")
def resources(whole: dict[str, Any]) -> dict[str, Any]:
    return dict(whole["Resources"])
