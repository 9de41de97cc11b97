"""Requests made from the OpenAPI document, good and bad ones: every answer is one that the document promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from chalicelib.api.openapi import document
from chalicelib.api.routes import OPERATIONS
from chalicelib.compilers import JOB_TYPES
from chalicelib.edge.json_text import compact_json
from tests.edge.whole_farm import WholeFarm, whole_farm

DOCUMENT = document(OPERATIONS, {name: kind.settings for name, kind in JOB_TYPES.items()})
SCHEMA = schemathesis.openapi.from_dict(json.loads(compact_json(DOCUMENT)))
PROMISED = [found.ok() for found in SCHEMA.get_all_operations()]
TAKING_SOMETHING = [one for one in PROMISED if one.path_parameters or one.query or one.body]
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
"""Not: `positive_data_acceptance` (a cursor that no page gave and a job type that is not there fit the schema, and are
refused), `ignored_auth` (this farm is open)."""

FEW = settings(max_examples=settings().max_examples // 5, suppress_health_check=list(HealthCheck))
"""Of each kind for each operation; making a request costs more than answering it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeFarm]:
    with whole_farm(tmp_path_factory.mktemp("document")) as farm:
        yield farm


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.mark.timeout(3600)  # with --full
@pytest.mark.parametrize("operation", PROMISED, ids=lambda operation: operation.label)
def test_every_answer_to_a_good_request_is_promised(
    whole: WholeFarm, session: requests.Session, operation: Any
) -> None:
    @FEW
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE), known=st.booleans())
    def holds(case: Any, known: bool) -> None:
        if known and "{id}" in operation.path:
            case.path_parameters["id"] = whole.path(operation.path).split("/")[4]
        case.call_and_validate(base_url=whole.url, session=session, checks=CHECKS, timeout=20)

    holds()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", TAKING_SOMETHING, ids=lambda operation: operation.label)
def test_every_answer_to_a_bad_request_is_promised(whole: WholeFarm, session: requests.Session, operation: Any) -> None:
    @FEW
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def holds(case: Any) -> None:
        case.call_and_validate(base_url=whole.url, session=session, checks=CHECKS, timeout=20)

    holds()
