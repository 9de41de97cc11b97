"""Events reach whoever asked for them: at least once, whatever fails, and only where the operator allows it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from chalicelib.core import hooks, jobs, sweeping, workers
from chalicelib.core.model import Job
from chalicelib.core.records.keys import INDEXES
from chalicelib.edge.networks import LOOPBACK, PUBLIC, address_of, problem_with
from chalicelib.edge.push import Answer, Pusher
from chalicelib.webhooks.delivering import deliver_all
from tests.core.conftest import Bench, make_farm
from tests.engines.simulated import Crash, SimulatedClock, SimulatedTable
from tests.webhooks.receiver import Receiver, receiving

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
ALL = [event.value for event in hooks.Event]
PUSHER = Pusher(LOOPBACK)


def deliver(bench: Bench, pusher: Pusher = PUSHER) -> int:
    return deliver_all(bench.farm, pusher, "studio")


def ended(bench: Bench, name: str = "shot") -> Job:
    """A job that has just been canceled."""
    job = jobs.change(bench.farm, bench.submit().id, name=name)
    return jobs.cancel(bench.farm, job.id)


def test_an_event_is_told_once_with_what_it_is_about(bench: Bench, receiver: Receiver) -> None:
    hooks.create(bench.farm, receiver.url, ALL)
    assert deliver(bench) == 0
    worker, job = bench.worker(), bench.submit({"count": 2})
    bench.work_off(worker)
    assert deliver(bench) == 1
    for _ in range(20):  # the look back finds it again, and so does a change of the job later
        bench.clock.advance(SECOND)
        deliver(bench)
    jobs.change(bench.farm, job.id, name="renamed")
    assert deliver(bench) == 0
    [call] = receiver.calls
    told = call.json
    assert (call.path, told["event"], told["farm"]) == ("/hook", "job.completed", "studio")
    assert (told["job"]["id"], told["job"]["name"], told["job"]["counts"]["completed"]) == (str(job.id), "a job", 2)
    assert told["time"] == told["job"]["finished_at"] and told["id"] == call.headers["Millrace-Delivery"]


def test_a_round_with_a_limit_leaves_what_is_over_it_to_the_next(bench: Bench, receiver: Receiver) -> None:
    class Slow(Pusher):
        def send(self, *given: Any) -> Answer:
            bench.clock.advance(3 * SECOND)
            return super().send(*given)

    hooks.create(bench.farm, receiver.url, ["job.canceled"])
    told = [ended(bench, f"shot {n}").name for n in range(10)]
    slow = Slow(LOOPBACK)
    assert deliver_all(bench.farm, slow, "studio", seconds=20) == 7
    assert deliver_all(bench.farm, slow, "studio", seconds=20) == 3
    assert sorted(call.json["job"]["name"] for call in receiver.calls) == told


def test_who_has_the_secret_can_tell_that_it_is_the_farm_that_calls(bench: Bench, receiver: Receiver) -> None:
    hook = hooks.create(bench.farm, receiver.url, ALL)
    ended(bench)
    deliver(bench)
    [call] = receiver.calls
    signed = f"{call.headers['Millrace-Timestamp']}.".encode() + call.body
    expected = hmac.new(hook.secret.encode(), signed, hashlib.sha256).hexdigest()
    assert call.headers["Millrace-Signature"] == f"v1={expected}"
    assert int(call.headers["Millrace-Timestamp"]) == bench.clock.now() // 1000


def test_each_hears_of_what_it_asked_for(bench: Bench) -> None:
    one, other = ended(bench, "before"), bench.submit()
    bench.clock.advance(SECOND)
    with receiving() as failures, receiving() as cancels, receiving() as of_one:
        hooks.create(bench.farm, failures.url, ["job.failed"])
        hooks.create(bench.farm, cancels.url, ["job.canceled"])
        hooks.create(bench.farm, of_one.url, ["job.canceled", "job.failed"], job=other.id)
        third = ended(bench, "third")
        jobs.cancel(bench.farm, other.id)
        deliver(bench)
        assert failures.calls == []
        assert {call.json["job"]["id"] for call in cancels.calls} == {str(other.id), str(third.id)}
        assert [call.json["job"]["id"] for call in of_one.calls] == [str(other.id)]
    assert one.status == "canceled"  # before anybody asked


def test_workers_that_fall_silent_or_break_are_events(bench: Bench, receiver: Receiver) -> None:
    hooks.create(bench.farm, receiver.url, ["worker.lost", "worker.error"])
    silent, broken = bench.worker("silent"), bench.worker("broken")
    bench.clock.advance(100 * SECOND)
    workers.has_become(bench.farm, broken, "error")
    sweeping.sweep(bench.farm)
    deliver(bench)
    told = sorted((call.json["event"], call.json["worker"]["name"]) for call in receiver.calls)
    assert told == [("worker.error", "broken"), ("worker.lost", "silent")]
    assert silent.name == "silent"
    sweeping.sweep(bench.farm)
    deliver(bench)
    assert len(receiver.calls) == 2


def test_chats_get_a_text_that_can_call_nobody(bench: Bench, receiver: Receiver) -> None:
    hooks.create(bench.farm, receiver.url, ALL, format="slack")
    ended(bench, "<!channel> & co")
    deliver(bench)
    assert receiver.calls[0].json == {"text": "studio: job *&lt;!channel&gt; &amp; co* was canceled"}


def test_what_fails_is_tried_again_with_growing_pauses_and_given_up_after_a_day(
    bench: Bench, receiver: Receiver
) -> None:
    hook = hooks.create(bench.farm, receiver.url, ALL)
    receiver.status = 500
    ended(bench)
    tries = []
    for _ in range(1600):
        before = len(receiver.calls)
        deliver(bench)
        tries += [bench.clock.now()] * (len(receiver.calls) - before)
        bench.clock.advance(MINUTE)
    pauses = [(later - sooner) // MINUTE for sooner, later in zip(tries, tries[1:], strict=False)]
    assert pauses == sorted(pauses) and pauses[0] <= 1 and pauses[-1] >= 60
    assert 20 < len(tries) < 50 and tries[-1] - tries[0] > 22 * HOUR
    [kept] = hooks.deliveries(bench.farm, hook.id, 10)
    assert (kept.status, kept.error) == ("given up", "it answered 500")
    assert len({call.headers["Millrace-Delivery"] for call in receiver.calls}) == 1


def test_a_hook_that_comes_back_gets_what_it_missed(bench: Bench, receiver: Receiver) -> None:
    hook = hooks.create(bench.farm, receiver.url, ALL)
    receiver.status = 503
    for n in range(5):
        ended(bench, f"shot {n}")
        bench.clock.advance(SECOND)
    deliver(bench)
    assert len(receiver.calls) == 1  # the others are put off with it
    receiver.status, receiver.calls = 200, []
    bench.clock.advance(MINUTE)
    assert deliver(bench) == 5
    assert sorted(call.json["job"]["name"] for call in receiver.calls) == [f"shot {n}" for n in range(5)]
    assert {kept.status for kept in hooks.deliveries(bench.farm, hook.id, 10)} == {"delivered"}


def test_a_server_that_is_told_to_stop_begins_no_further_call(bench: Bench, receiver: Receiver) -> None:
    hooks.create(bench.farm, receiver.url, ALL)
    for n in range(3):
        ended(bench, f"shot {n}")
    told = deliver_all(bench.farm, PUSHER, "studio", is_stopping=lambda: len(receiver.calls) > 0)
    assert (told, len(receiver.calls)) == (1, 1)
    assert deliver(bench) == 2  # the next start


def test_looking_for_events_costs_an_idle_farm_hardly_a_write(
    bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would be a sync of the disk."""
    written: list[str] = []
    keep = bench.farm.hooks.set_cursor
    monkeypatch.setattr(bench.farm.hooks, "set_cursor", lambda cursor: (written.append(cursor), keep(cursor)))
    hooks.create(bench.farm, receiver.url, ALL)
    ended(bench)
    for _ in range(120):
        deliver(bench)
        bench.clock.advance(SECOND)
    assert len(receiver.calls) == 1
    assert 2 <= len(written) <= 12 and len(set(written)) == len(written)


def test_a_redirect_is_a_failure_and_is_not_followed(bench: Bench, receiver: Receiver) -> None:
    hooks.create(bench.farm, receiver.url, ALL)
    receiver.status = 302
    ended(bench)
    deliver(bench)
    assert [call.path for call in receiver.calls] == ["/hook"]


@pytest.mark.parametrize(
    ("url", "networks", "why"),
    [
        ("http://127.0.0.1:9/", (), "calls no address"),
        ("http://127.0.0.1:9/", PUBLIC, "MILLRACE_HOOK_NETWORKS"),
        ("http://10.0.0.1/", LOOPBACK, "MILLRACE_HOOK_NETWORKS"),
        ("http://169.254.169.254/latest/meta-data", PUBLIC, "never called"),
        ("http://inside.example/", PUBLIC, "10.1.2.3 is outside"),
        ("http://[::ffff:10.0.0.1]/", PUBLIC, "never called"),
    ],
)
def test_addresses_that_the_operator_did_not_allow_are_not_called(
    bench: Bench, url: str, networks: tuple[object, ...], why: str
) -> None:
    hook = hooks.create(bench.farm, url, ALL)
    ended(bench)
    pusher = Pusher(networks, resolver=lambda host, port: ["10.1.2.3"], setting="MILLRACE_HOOK_NETWORKS")  # type: ignore[arg-type]
    deliver(bench, pusher)
    [kept] = hooks.deliveries(bench.farm, hook.id, 10)
    assert kept.status == "pending" and why in (kept.error or "")


@pytest.mark.parametrize(
    ("text", "is_public"),
    [("8.8.8.8", True), ("11.0.0.1", True), ("192.167.1.1", True), ("2600::1", True), ("10.255.0.1", False),
     ("172.16.9.9", False), ("192.168.1.1", False), ("100.64.0.1", False), ("fd00::1", False), ("::1", False)],
)  # fmt: skip
def test_public_is_the_internet_and_nothing_else(text: str, is_public: bool) -> None:
    address = address_of(text)
    assert address is not None
    assert (problem_with(address, PUBLIC, "X") is None) is is_public


def test_a_deleted_hook_is_told_nothing_more(bench: Bench, receiver: Receiver) -> None:
    hook = hooks.create(bench.farm, receiver.url, ALL)
    kept = hooks.create(bench.farm, receiver.url + "/kept", ALL)
    receiver.status = 500
    ended(bench)
    deliver(bench)
    hooks.delete(bench.farm, hook.id)
    receiver.status, receiver.calls = 200, []
    bench.clock.advance(MINUTE)
    deliver(bench)
    assert [call.path for call in receiver.calls] == ["/hook/kept"]
    assert [each.id for each in bench.farm.hooks.all()] == [kept.id]


def test_hooks_of_a_job_go_with_it(bench: Bench, receiver: Receiver) -> None:
    job = bench.submit()
    hooks.create(bench.farm, receiver.url, ["job.canceled"], job=job.id)
    jobs.cancel(bench.farm, job.id)
    jobs.delete(bench.farm, job.id)
    assert bench.farm.hooks.all() == []


def test_a_crash_anywhere_loses_no_event(clock: SimulatedClock, receiver: Receiver) -> None:
    """Between any two calls to the table the process dies; the next one delivers."""

    def story(table: SimulatedTable) -> Bench:
        bench = Bench(make_farm(table, clock), clock)
        hooks.create(bench.farm, receiver.url, ALL)
        ended(bench)
        begun = table.points
        assert deliver(bench) == 1
        points.append(begun)
        return bench

    points: list[int] = []
    whole = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
    story(whole)
    for point in range(points[0], whole.points):
        receiver.calls.clear()
        table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock, crash_at=point)
        with pytest.raises(Crash):
            story(table)
        table.calm()
        clock.advance(20 * SECOND)
        again = Bench(make_farm(table, clock), clock)
        deliver(again)
        clock.advance(20 * SECOND)
        deliver(again)
        assert 1 <= len(receiver.calls) <= 2, point
        assert len({call.headers["Millrace-Delivery"] for call in receiver.calls}) == 1
