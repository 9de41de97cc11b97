"""Who asked for e-mail gets it as others get calls: at least once, tried again, in SES's hands (moto's)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses import ses_backends

from chalicelib.bootstrap import mailer_of
from chalicelib.config import BadSettings, Settings, settings_from
from chalicelib.core import hooks, jobs, workers
from chalicelib.core.errors import BadInput
from chalicelib.core.model import Job
from chalicelib.core.ports import Mailer
from chalicelib.edge.push import Pusher
from chalicelib.webhooks.delivering import deliver_all
from tests.core.conftest import Bench

REGION, SENDER = "eu-west-1", "farm@example.com"
MINUTE = 60_000
ALL = [event.value for event in hooks.Event]


@dataclass
class Post:
    session: boto3.session.Session
    mailer: Mailer

    @property
    def sent(self) -> list[Any]:
        return list(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages)

    def verify(self) -> None:
        """Until then SES refuses what comes from the address."""
        self.session.client("ses").verify_email_identity(EmailAddress=SENDER)


@pytest.fixture
def post() -> Iterator[Post]:
    with mock_aws():
        session = boto3.session.Session(region_name=REGION)
        mailer = mailer_of(Settings(Path("/nowhere"), "farm", "farm", mail_from=SENDER), session)
        assert mailer is not None
        yield Post(session, mailer)


def deliver(bench: Bench, post: Post) -> int:
    return deliver_all(bench.farm, Pusher(()), "studio", post.mailer)


def canceled(bench: Bench, name: str = "shot") -> Job:
    job = jobs.change(bench.farm, bench.submit().id, name=name)
    return jobs.cancel(bench.farm, job.id)


def test_an_event_is_mailed_once_with_what_it_is_about(bench: Bench, post: Post) -> None:
    post.verify()
    hook = hooks.create(bench.farm, "mailto:ann@example.com", ALL)
    job = canceled(bench)
    assert deliver(bench, post) == 1
    bench.clock.advance(MINUTE)
    assert deliver(bench, post) == 0
    [mail] = post.sent
    assert (mail.source, mail.destinations["ToAddresses"]) == (SENDER, ["ann@example.com"])
    assert mail.subject == "studio: job shot was canceled"
    [kept] = hooks.deliveries(bench.farm, hook.id, 10)
    assert str(job.id) in mail.body and "job.canceled at" in mail.body and kept.id in mail.body
    assert kept.status == "delivered"


def test_what_ses_refuses_is_tried_again(bench: Bench, post: Post) -> None:
    hook = hooks.create(bench.farm, "mailto:ann@example.com", ALL)
    canceled(bench)
    assert deliver(bench, post) == 0
    [kept] = hooks.deliveries(bench.farm, hook.id, 10)
    assert (kept.status, kept.attempts) == ("pending", 1)
    assert (kept.error or "").startswith("SES says MessageRejected")
    post.verify()
    assert deliver(bench, post) == 0  # not before its pause is over
    bench.clock.advance(MINUTE)
    assert deliver(bench, post) == 1
    assert len(post.sent) == 1


def test_an_address_that_fails_holds_up_no_other(bench: Bench, post: Post) -> None:
    hooks.create(bench.farm, "http://10.0.0.1/", ALL)  # in no network that is allowed
    hooks.create(bench.farm, "mailto:ann@example.com", ALL)
    post.verify()
    canceled(bench)
    assert deliver(bench, post) == 1


def test_where_no_mail_is_sent_any_more_it_waits_and_says_so(bench: Bench, post: Post) -> None:
    hook = hooks.create(bench.farm, "mailto:ann@example.com", ALL)
    canceled(bench)
    assert deliver_all(bench.farm, Pusher(()), "studio") == 0
    [kept] = hooks.deliveries(bench.farm, hook.id, 10)
    assert kept.status == "pending" and "sends no e-mail" in (kept.error or "")


def test_a_name_can_add_no_line_to_the_head_of_an_email(bench: Bench, post: Post) -> None:
    post.verify()
    hooks.create(bench.farm, "mailto:ann@example.com", ["worker.error"])
    worker = bench.worker("shot\r\nBcc: all@example.com\x00\u2028x {0}" + "y" * 10)
    workers.has_become(bench.farm, worker, "error")
    assert deliver(bench, post) == 1
    [mail] = post.sent
    assert mail.subject == f"studio: worker shot Bcc: all@example.com x {{0}}{'y' * 10} is in error"
    assert mail.destinations["ToAddresses"] == ["ann@example.com"]


@pytest.mark.parametrize(
    "wrong",
    [
        "mailto:",
        "mailto:ann",
        "mailto:ann@localhost",
        "mailto:ann@example.com?bcc=all@example.com",
        "mailto:ann@example.com,bob@example.com",
        "mailto:Ann <ann@example.com>",
        "mailto:ann@example.com\r\nBcc: bob@example.com",
        "mailto:ann@example.com\n",
        f"mailto:ann@{'x' * 250}.com",
    ],
)
def test_only_one_plain_address_is_taken(bench: Bench, wrong: str) -> None:
    with pytest.raises(BadInput, match="mailto:ann@example.com") as refused:
        hooks.create(bench.farm, wrong, ALL)
    assert refused.value.field == "url"
    assert bench.farm.hooks.all() == []


def test_the_sender_is_one_plain_address_and_of_a_farm_on_aws() -> None:
    on_aws = {"MILLRACE_TABLE": "t", "MILLRACE_BUCKET": "b"}
    assert settings_from({**on_aws, "MILLRACE_MAIL_FROM": SENDER}).mail_from == SENDER
    with pytest.raises(BadSettings, match="one plain e-mail address"):
        settings_from({**on_aws, "MILLRACE_MAIL_FROM": "Farm <farm@example.com>"})
    with pytest.raises(BadSettings, match="on AWS"):
        settings_from({"MILLRACE_MAIL_FROM": SENDER})
    assert mailer_of(settings_from(on_aws)) is None
