"""Webhooks, as operators see them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core import hooks, jobs
from chalicelib.edge import current
from chalicelib.edge.networks import LOOPBACK, PUBLIC, Network
from chalicelib.edge.push import Pusher
from chalicelib.webhooks.delivering import deliver_all
from tests.api.bench import Bench
from tests.webhooks.receiver import receiving

HOOK = {"url": "https://93.184.215.14/services/T0", "events": ["job.failed", "job.completed"]}


@pytest.fixture(autouse=True)
def _calls_the_internet_and_itself(bench: Bench) -> None:
    allow(bench, *PUBLIC, *LOOPBACK)


def allow(bench: Bench, *networks: Network) -> None:
    current.serve(bench.farm, replace(bench.settings, hook_networks=networks))


def test_a_webhook_is_made_listed_changed_and_deleted(bench: Bench) -> None:
    made = bench.post("/webhooks", HOOK)
    secret = made.pop("secret")
    assert len(secret) >= 32 and made.pop("warning") is None
    assert made == {
        "id": made["id"],
        "url": HOOK["url"],
        "events": ["job.completed", "job.failed"],
        "format": "json",
        "job": None,
        "created_at": "2023-11-14T22:13:20.000Z",
    }
    assert bench.get("/webhooks") == {"items": [made]}
    assert bench.get(f"/webhooks/{made['id']}") == {**made, "deliveries": []}
    changed = bench.call("PATCH", f"/webhooks/{made['id']}", {"format": "slack", "events": ["worker.lost"]}).json
    assert changed == {**made, "format": "slack", "events": ["worker.lost"], "deliveries": []}
    assert hooks.get(bench.farm, int(made["id"])).secret == secret
    assert bench.call("DELETE", f"/webhooks/{made['id']}").status == 204
    assert bench.get("/webhooks") == {"items": []}
    assert bench.call("GET", f"/webhooks/{made['id']}").status == 404


def test_deliveries_are_shown(bench: Bench) -> None:
    with receiving() as receiver:
        made = bench.post("/webhooks", {"url": receiver.url, "events": ["job.canceled"]})
        receiver.status = 500
        jobs.cancel(bench.farm, bench.job().id)
        deliver_all(bench.farm, Pusher(LOOPBACK), "studio")
        [waiting] = bench.get(f"/webhooks/{made['id']}")["deliveries"]
        assert (waiting["status"], waiting["attempts"], waiting["error"]) == ("pending", 1, "it answered 500")
        assert waiting["next_at"] == "2023-11-14T22:13:30.000Z"
        receiver.status = 200
        bench.clock.advance(10_000)
        deliver_all(bench.farm, Pusher(LOOPBACK), "studio")
        [told] = bench.get(f"/webhooks/{made['id']}")["deliveries"]
        assert (told["status"], told["attempts"], told["error"], told["next_at"]) == ("delivered", 2, None, None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://user:secret@example.org/"}, "url"),
        ({"url": "https://example.org/a b"}, "url"),
        ({"url": "https://example.org:99999/"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["job.started"]}, "events.0"),
        ({"format": "xml"}, "format"),
        ({"job": "12"}, "job"),
        ({"secret": "mine"}, "secret"),
    ],
)
def test_a_wrong_webhook_is_refused_and_nothing_is_kept(bench: Bench, wrong: dict[str, Any], field: str) -> None:
    refused = bench.call("POST", "/webhooks", {**HOOK, **wrong})
    assert (refused.status, refused.json["field"]) == (400, field)
    assert bench.get("/webhooks") == {"items": []}


def test_a_webhook_of_one_job_hears_of_no_workers(bench: Bench) -> None:
    job = bench.job()
    refused = bench.call("POST", "/webhooks", {**HOOK, "events": ["worker.lost"], "job": str(job.id)})
    assert (refused.status, refused.json["field"]) == (400, "events")
    assert bench.post("/webhooks", {**HOOK, "job": str(job.id)})["job"] == str(job.id)


def test_there_is_an_end_to_webhooks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MOST_HOOKS", 2)
    bench.post("/webhooks", HOOK)
    bench.post("/webhooks", HOOK)
    assert bench.call("POST", "/webhooks", HOOK).status == 409


@pytest.mark.parametrize(
    ("url", "networks", "reason", "way"),
    [
        (HOOK["url"], (), "this farm calls no address", "MILLRACE_HOOK_NETWORKS=public millrace serve"),
        (
            HOOK["url"],
            LOOPBACK,
            "93.184.215.14 is outside the networks",
            "MILLRACE_HOOK_NETWORKS=public millrace serve",
        ),
        ("http://localhost:9/", PUBLIC, "is outside the networks", "or with a network of your own"),
        ("http://169.254.169.254/", PUBLIC, "never called", ""),
    ],
)
def test_a_webhook_that_would_not_be_called_is_refused_when_it_is_made_and_the_way_is_told(
    bench: Bench, url: str, networks: tuple[Network, ...], reason: str, way: str
) -> None:
    made = bench.post("/webhooks", {**HOOK, "url": "http://127.0.0.1:9/"})
    allow(bench, *networks)
    for refused in (
        bench.call("POST", "/webhooks", {**HOOK, "url": url}),
        bench.call("PATCH", f"/webhooks/{made['id']}", {"url": url}),
    ):
        assert (refused.status, refused.json["field"]) == (400, "url")
        assert reason in refused.json["detail"] and way in refused.json["detail"]
    assert [hook["url"] for hook in bench.get("/webhooks")["items"]] == ["http://127.0.0.1:9/"]


def test_on_aws_the_way_is_the_deployment(bench: Bench) -> None:
    current.serve(bench.farm, replace(bench.settings, table="t", bucket="b"))
    assert "./millrace deploy --hook-networks public" in bench.call("POST", "/webhooks", HOOK).json["detail"]


def test_a_webhook_that_is_no_longer_called_can_be_given_other_events(bench: Bench) -> None:
    made = bench.post("/webhooks", HOOK)
    allow(bench)
    changed = bench.call("PATCH", f"/webhooks/{made['id']}", {"url": HOOK["url"], "events": ["worker.lost"]})
    assert (changed.status, changed.json["events"]) == (200, ["worker.lost"])


def test_a_name_that_nobody_knows_yet_is_taken_with_a_warning(bench: Bench) -> None:
    made = bench.post("/webhooks", {**HOOK, "url": "https://soon.invalid/"})
    assert made["warning"] == "'soon.invalid' could not be resolved"
    assert [hook["id"] for hook in bench.get("/webhooks")["items"]] == [made["id"]]


MAIL = {**HOOK, "url": "mailto:wrangler@example.com"}


def test_an_address_is_taken_where_the_farm_sends_email(bench: Bench) -> None:
    current.serve(bench.farm, replace(bench.settings, table="t", bucket="b", mail_from="farm@example.com"))
    made = bench.post("/webhooks", MAIL)
    assert made["url"] == MAIL["url"]
    wrong = bench.call("PATCH", f"/webhooks/{made['id']}", {"url": "mailto:a@example.com,b@example.com"})
    assert (wrong.status, wrong.json["field"]) == (400, "url")
    assert bench.get(f"/webhooks/{made['id']}")["url"] == MAIL["url"]


@pytest.mark.parametrize("on_aws", [False, True])
def test_an_address_is_refused_where_it_does_not_and_the_way_is_told(bench: Bench, on_aws: bool) -> None:
    made = bench.post("/webhooks", HOOK)
    if on_aws:
        current.serve(bench.farm, replace(bench.settings, table="t", bucket="b"))
    for refused in (
        bench.call("POST", "/webhooks", MAIL),
        bench.call("PATCH", f"/webhooks/{made['id']}", {"url": MAIL["url"]}),
    ):
        assert (refused.status, refused.json["field"]) == (400, "url")
        assert "this farm sends no e-mail" in refused.json["detail"]
        assert "./millrace deploy --mail-from ADDRESS" in refused.json["detail"]
        assert ("needs AWS" in refused.json["detail"]) is not on_aws
    assert [hook["url"] for hook in bench.get("/webhooks")["items"]] == [HOOK["url"]]
