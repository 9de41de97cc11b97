"""What a machine's metadata service says of its end, and what a worker reads out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from millrace.agent.drain import Patience
from millrace.agent.notices import Metadata, MetadataSilent, Notice, NoticeWatch, notices
from tests.worker.imds import FakeMetadata

NOON = 1_795_694_400.0
"""2026-11-26T12:00:00Z"""


@pytest.fixture
def imds() -> Iterator[FakeMetadata]:
    with FakeMetadata().served() as served:
        yield served


def test_nothing_to_tell_is_the_usual_case(imds: FakeMetadata) -> None:
    assert list(notices(Metadata(imds.address), NOON)) == []
    assert [request.split()[0] for request in imds.asked] == ["PUT", "GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("2026-11-26T12:02:00Z", 90.0),
        ("2026-11-26T12:00:50Z", 20.0),
        ("2026-11-26T12:00:10Z", 0.0),
        ("2026-11-26T11:00:00Z", 0.0),
        ("2026-11-27T12:00:00Z", 90.0),  # this clock is wrong: a notice is never longer than two minutes
    ],
)
def test_spot_says_when_and_some_of_it_is_kept_for_signing_off(imds: FakeMetadata, time: str, seconds: float) -> None:
    imds.said["spot/instance-action"] = f'{{"action": "terminate", "time": "{time}"}}'
    assert list(notices(Metadata(imds.address), NOON)) == [Notice("spot", seconds)]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"action": "stop"}', '{"time": 5}', '{"time": "soon"}'])
def test_a_notice_that_cannot_be_read_is_one_all_the_same(imds: FakeMetadata, text: str) -> None:
    imds.said["spot/instance-action"] = text
    assert list(notices(Metadata(imds.address), NOON)) == [Notice("spot", 90.0)]


def test_a_machine_in_service_stays(imds: FakeMetadata) -> None:
    imds.said["autoscaling/target-lifecycle-state"] = "InService"
    assert list(notices(Metadata(imds.address), NOON)) == []
    imds.said["autoscaling/target-lifecycle-state"] = "Terminated"
    assert [notice.kind for notice in notices(Metadata(imds.address), NOON)] == ["group"]


def test_a_token_that_has_ended_is_fetched_anew(imds: FakeMetadata) -> None:
    metadata = Metadata(imds.address)
    assert metadata.get("spot/instance-action") is None
    imds.tokens.clear()
    imds.spot_may_take_it()
    assert metadata.get("events/recommendations/rebalance") is not None
    assert imds.asked.count("PUT /latest/api/token") == 2


def test_each_notice_is_told_once_and_a_later_one_besides(imds: FakeMetadata) -> None:
    told: list[Notice] = []
    watch = NoticeWatch(told.append, imds.address)
    imds.spot_may_take_it()
    watch.look()
    watch.look()
    imds.spot_takes_it_in(0)
    watch.look()
    watch.look()
    assert told == [Notice("rebalance", None), Notice("spot", 0.0)]


def test_off_ec2_nothing_happens(caplog: pytest.LogCaptureFixture, free_port: Callable[[], int]) -> None:
    told: list[Notice] = []
    watch = NoticeWatch(told.append, f"http://127.0.0.1:{free_port()}")
    watch.look()
    watch.look()
    assert not told
    assert caplog.text.count("This machine tells nothing of its end") <= 1


def test_a_proxy_is_not_asked(imds: FakeMetadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy")
    assert Metadata(imds.address).get("spot/instance-action") is None


def test_something_else_that_answers_is_not_the_service(imds: FakeMetadata) -> None:
    with pytest.raises(MetadataSilent):
        Metadata(imds.address + "/elsewhere").get("spot/instance-action")


def test_patience_only_shortens() -> None:
    patience = Patience()
    assert not patience.is_over
    patience.shorten(None)
    assert not patience.is_over
    patience.shorten(0)
    assert patience.is_over
    patience.shorten(100)
    assert patience.is_over
