"""The farm starts with the variables that the stack gives its functions."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config import settings_from
from tests.infra.filled import Filled

DURATIONS = (
    "lease_seconds",
    "grace_seconds",
    "lost_after_seconds",
    "poll_idle_seconds",
    "poll_apart_seconds",
    "poll_holding_seconds",
    "wait_seconds",
    "settle_seconds",
)


def test_who_refuses_and_who_sends_email_know_its_sender(whole: dict[str, Any]) -> None:
    filled = Filled(whole, {"MailFrom": "farm@example.com"})
    for name in ("APIHandler", "MinutePassed"):
        variables = whole["Resources"][name]["Properties"]["Environment"]["Variables"]
        assert settings_from(filled.value(variables)).mail_from == "farm@example.com"


@pytest.mark.parametrize("fleet", ["no", "yes"])
def test_every_function_starts_with_its_variables(whole: dict[str, Any], fleet: str) -> None:
    filled = Filled(whole, {"Fleet": fleet, "Stage": "prod"})
    functions = {
        name: filled.value(one["Properties"]["Environment"]["Variables"])
        for name, one in whole["Resources"].items()
        if one["Type"] == "AWS::Serverless::Function"
    }
    assert len(functions) >= 5
    for name, variables in functions.items():
        settings = settings_from(variables)
        assert settings.table == "Table", name
        looks_after_it = fleet == "yes" and name == "MinutePassed"
        assert (settings.fleet is not None) == looks_after_it
        if settings.fleet is not None:
            assert (settings.fleet.group, settings.fleet.rules.most) == ("millrace-prod-fleet", 4)
            assert "transcode" in settings.fleet.abilities.task_types


def test_a_farm_on_aws_waits_as_long_as_its_stack_says() -> None:
    assert (
        settings_from({"MILLRACE_TABLE": "t", "MILLRACE_BUCKET": "b", "MILLRACE_WAIT_SECONDS": "0"}).limits.wait_seconds
        == 0
    )


@pytest.mark.parametrize("name", DURATIONS)
def test_every_duration_can_be_set(name: str) -> None:
    usual = getattr(settings_from({}).limits, name)
    assert getattr(settings_from({f"MILLRACE_{name.upper()}": str(usual)}).limits, name) == usual


def test_a_short_lease_shortens_the_long_poll_unless_that_is_set_too() -> None:
    assert settings_from({"MILLRACE_LEASE_SECONDS": "20"}).limits.wait_seconds == 5
    assert settings_from({"MILLRACE_LEASE_SECONDS": "20", "MILLRACE_WAIT_SECONDS": "4"}).limits.wait_seconds == 4
