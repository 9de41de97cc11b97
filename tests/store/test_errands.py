"""Errands on SQS (moto): a message the handler understands, and no error for the caller when the queue is away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.store.errands import QueuedErrands


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("sqs", region_name="eu-west-1")


def test_an_errand_is_one_message(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="errands")["QueueUrl"]
    QueuedErrands(lambda: sqs, url).settle(2**53 - 1)
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == '{"settle": "9007199254740991"}'


def test_the_client_is_made_once_and_only_when_needed(sqs: Any) -> None:
    made: list[Any] = []
    errands = QueuedErrands(lambda: made.append(sqs) or sqs, sqs.create_queue(QueueName="errands")["QueueUrl"])
    assert made == []
    errands.settle(1)
    errands.settle(2)
    assert made == [sqs]


def test_a_queue_that_is_away_is_told_to_the_log(sqs: Any, caplog: pytest.LogCaptureFixture) -> None:
    gone = "https://sqs.eu-west-1.amazonaws.com/123456789012/gone"
    with caplog.at_level(logging.ERROR):
        QueuedErrands(lambda: sqs, gone).settle(7)
    assert [(record.action, record.job) for record in caplog.records] == [("errand_lost", "7")]  # type: ignore[attr-defined]
