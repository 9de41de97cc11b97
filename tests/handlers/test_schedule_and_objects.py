"""The minute's sweep, and a look at what came into the bucket."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest

from chalicelib.core import hooks, sweeping
from chalicelib.core.farm import Farm
from chalicelib.core.ports import TableUnavailable
from chalicelib.edge import current
from chalicelib.edge.push import Pusher
from chalicelib.handlers import pushing
from chalicelib.webhooks import following
from tests.handlers.conftest import AwsBench, deliver, recorded

DATA = b"bytes"
KEY = f"blobs/{hashlib.sha256(DATA).hexdigest()}"


def minute(text: str) -> Any:
    return {**recorded("schedule"), "time": f"2026-11-26T14:{text}:00Z"}


def test_each_minute_ends_leases_that_ran_out(bench: AwsBench) -> None:
    job = bench.submit({"count": 1})
    bench.take(bench.worker())
    bench.clock.advance(1000_000)
    deliver("minute_passed", minute("07"))
    deliver("minute_passed", minute("07"))
    assert bench.counts(job) == {"queued": 1}
    [task] = bench.tasks(job)
    assert [attempt.outcome for attempt in task.attempts] == ["lost"]


def test_each_half_hour_looks_into_every_task(bench: AwsBench) -> None:
    """A crash between the task and its window leaves nothing that a quick sweep would see."""
    job = bench.submit({"count": 1})
    bench.dies_after_the_end_of(bench.take(bench.worker()))
    deliver("minute_passed", minute("29"))
    assert bench.job(job).status == "queued"
    deliver("minute_passed", minute("30"))
    assert bench.job(job).status == "completed"


def test_each_minute_tells_how_long_work_has_waited(bench: AwsBench, capsys: pytest.CaptureFixture[str]) -> None:
    def told() -> int:
        deliver("minute_passed", minute("07"))
        metric = json.loads(capsys.readouterr().out)
        assert metric["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "OldestQueuedSeconds", "Unit": "Seconds"}]
        return int(metric["OldestQueuedSeconds"])

    bench.submit({"count": 2})
    bench.clock.advance(100_000)
    bench.submit({"count": 1, "task_type": "other"})
    bench.clock.advance(20_000)
    assert told() == 120
    worker = bench.worker()
    bench.claim(worker, slots=2)
    assert told() == 20
    bench.work_off(bench.worker("other", "other"))
    assert told() == 0


def test_a_sweep_that_fails_tells_nothing(
    bench: AwsBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm for a farm without a sweep goes by what is told."""

    def out_of_reach(*_: object, **__: object) -> None:
        raise TableUnavailable("the table does not answer")

    monkeypatch.setattr(sweeping, "sweep", out_of_reach)
    with pytest.raises(TableUnavailable):
        deliver("minute_passed", minute("07"))
    assert "OldestQueuedSeconds" not in capsys.readouterr().out


@pytest.mark.parametrize(("networks", "is_called"), [((ip_network("10.1.0.0/16"),), True), ((), False)])
def test_workers_are_called_through_most_of_the_minute_where_networks_are_allowed(
    bench: AwsBench, monkeypatch: pytest.MonkeyPatch, networks: tuple[IPv4Network, ...], is_called: bool
) -> None:
    called_at: list[int] = []

    def push_round(farm: Farm, pusher: Pusher) -> None:
        called_at.append(farm.clock.now())
        bench.clock.advance(1000)
        farm.bell.ring(pushing.TOPIC)  # or this test would wait as long as a round does

    monkeypatch.setattr(pushing, "PUSH_ROUNDS", [push_round])
    current.serve(bench.farm, replace(current.settings(), push_networks=networks))
    deliver("minute_passed", minute("07"))
    assert bool(called_at) is is_called
    if is_called:
        assert 45_000 < called_at[-1] - called_at[0] < 55_000


def test_webhooks_that_cannot_be_looked_at_keep_no_worker_from_its_calls(
    bench: AwsBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is the sweep begun again for them, as Lambda would with what fails."""
    called_at: list[int] = []

    def push_round(farm: Farm, pusher: Pusher) -> None:
        called_at.append(farm.clock.now())
        bench.clock.advance(30_000)
        farm.bell.ring(pushing.TOPIC)

    def out_of_reach(*_: object) -> None:
        raise TableUnavailable("the table does not answer")

    hooks.create(bench.farm, "http://127.0.0.1:9/hook", ["job.completed"])
    monkeypatch.setattr(following, "follow", out_of_reach)
    monkeypatch.setattr(pushing, "PUSH_ROUNDS", [push_round])
    everywhere = (ip_network("127.0.0.0/8"),)
    current.serve(bench.farm, replace(current.settings(), push_networks=everywhere, hook_networks=everywhere))
    with caplog.at_level(logging.ERROR):
        deliver("minute_passed", minute("07"))
    assert [getattr(record, "action", "") for record in caplog.records] == ["webhook_failed"]
    assert called_at


def stored(key: str, size: int = len(DATA)) -> Any:
    event = recorded("object_created")
    event["detail"]["object"].update(key=key, size=size)
    return event


@pytest.mark.parametrize("data, told", [(DATA, 0), (b"bites", 1)])
def test_a_blob_that_is_not_what_its_name_says_is_told_and_kept(
    bench: AwsBench, caplog: pytest.LogCaptureFixture, data: bytes, told: int
) -> None:
    bench.farm.objects.put(KEY, data)
    with caplog.at_level(logging.ERROR):
        deliver("object_stored", stored(KEY))
    assert [getattr(record, "action", "") for record in caplog.records] == ["object_mismatch"] * told
    assert bench.farm.objects.get(KEY) == data


@pytest.mark.parametrize("key", [KEY, "logs/1/000001/0000000000000000", "blobs/notes.txt", "blobs/"])
def test_what_is_gone_or_no_blob_is_passed_over(bench: AwsBench, caplog: pytest.LogCaptureFixture, key: str) -> None:
    deliver("object_stored", stored(key))
    assert not caplog.records


def test_what_is_too_large_to_read_is_believed(bench: AwsBench, caplog: pytest.LogCaptureFixture) -> None:
    bench.farm.objects.put(KEY, b"other")
    deliver("object_stored", stored(KEY, size=5 * 1024**3))
    assert not caplog.records
