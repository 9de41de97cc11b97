"""What is said before anything happens in an account, and what `./millrace` makes of its arguments."""

from __future__ import annotations

import pytest
from moto import mock_aws

from deploy.__main__ import main
from deploy.stage import Stage
from deploy.wanted import Wanted

CASES = [
    (["deploy", "--region", "eu-central-1"], "Missing option '--stage'"),
    (["deploy", "--stage", "Prod", "--region", "eu-central-1"], "a stage is 1 to 20 lower-case letters"),
    (["deploy", "--stage", "1st"], "starts with a letter, not '1st'"),
    (["deploy", "--stage", "x" * 21], "1 to 20"),
    (["deploy", "--stage", "prod", "--region", "mars"], "'mars' is no region that we know"),
    (["deploy", "--stage", "prod", "--domain", "farm.example.com"], "--domain and --certificate go together"),
    (["deploy", "--stage", "prod", "--wait-seconds", "60"], "not in the range 0<=x<=20"),
    (["deploy", "--stage", "prod", "--architecture", "mips"], "'mips' is not one of"),
    (["deploy", "--stage", "prod", "--push-networks", "10.1.2.3/16"], "--push-networks must be networks such as 10.1"),
    (["deploy", "--stage", "prod", "--push-networks", "public"], "'public' does not appear to be"),
    (["deploy", "--stage", "prod", "--hook-networks", "10.1.0.0/16,pubilc"], ", or public: 'pubilc' does not appear"),
    (
        ["deploy", "--stage", "dev", "--only-infra", "--door", "url", "--alarms"],
        "--door, --alarms: only the whole stack",
    ),
    (["fly", "--stage", "prod"], "No such command 'fly'"),
]


@pytest.mark.parametrize("arguments, said", CASES)
def test_wrong_use_is_refused_at_once(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with mock_aws():
        assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_without_a_region_it_says_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert main(["status", "--stage", "prod"]) == 2
    assert "give --region, such as --region eu-central-1" in capsys.readouterr().err


def test_without_credentials_it_says_where_they_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert main(["deploy", "--stage", "prod", "--region", "eu-central-1"]) == 1
    assert "no AWS credentials were found. Set AWS_PROFILE" in capsys.readouterr().err


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert main(["status", "--stage", "prod"]) == 1
    assert "nobody" in capsys.readouterr().err


def test_destroy_wants_the_stages_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("click.prompt", lambda *_, **__: "yes")
    with mock_aws():
        assert main(["destroy", "--stage", "prod", "--region", "eu-central-1"]) == 1
    assert "nothing was removed" in capsys.readouterr().err


def test_only_what_was_given_becomes_a_parameter() -> None:
    assert Wanted().parameters() == {}
    given = Wanted(cloudfront=False, alarms=True, wait_seconds=0, domain="d", certificate="c")
    assert given.parameters() == {
        "CloudFront": "no",
        "Alarms": "yes",
        "WaitSeconds": "0",
        "Domain": "d",
        "Certificate": "c",
    }


def test_networks_are_named_or_none() -> None:
    given = Wanted(push_networks="", hook_networks="10.1.0.0/16, public").parameters()
    assert given == {"PushNetworks": "", "HookNetworks": "10.1.0.0/16, public"}


@pytest.mark.parametrize("name", ["a", "prod", "dev-2", "x" * 20])
def test_names_of_stages(name: str) -> None:
    assert Stage(name).stack == f"millrace-{name}"
