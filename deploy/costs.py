"""What a farm on AWS costs: measured table requests and units of each call, times a price list. Pure.

The calls' requests and units are measured (`calls.json`, written by `python -m tests.bench.requests` from the whole
app on the DynamoDB engine); how often each is made follows from the intervals that the farm tells its workers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.config import settings_from
from chalicelib.core.farm import Limits
from chalicelib.core.idling import quiet_seconds

CALLS = Path(__file__).with_name("calls.json")
PROTOCOL_CALLS = Path(__file__).with_name("protocol_calls.json")
"""The same for the older protocols, written by `python -m tests.bench.protocols`."""
DAY, MILLION = 86_400, 1_000_000

COMPLETE_AND_CLAIM = "contract: complete and claim, large step"
TEN_AT_ONCE = "contract: complete ten and claim ten, large step"
STILL_WANTED = "contract: is it still wanted, one held"
NOTHING = "contract: nothing to do"
RENEW = "renew"


@dataclass(frozen=True)
class Prices:
    """US dollars. From aws.amazon.com/{api-gateway,lambda,dynamodb,cloudfront}/pricing, us-east-1, noted 2026-11; free
    tiers left out. Prices of other regions are up to a third higher."""

    noted: str = "2026-11, us-east-1"
    gateway_per_million: float = 3.50
    """REST calls. With `--door url` this is 0."""
    cloudfront_per_million: float = 1.00
    """HTTPS requests, in front of either door."""
    lambda_per_million: float = 0.20
    lambda_per_gb_second: float = 0.0000133334
    """On ARM."""
    reads_per_million: float = 0.125
    writes_per_million: float = 0.625


@dataclass(frozen=True)
class Protocol:
    """What a worker (and the client, where there is no other way) of an older protocol calls, and how often."""

    name: str
    each_task: tuple[tuple[str, int], ...]
    """(call of `protocol_calls.json`, times)"""
    while_it_runs: tuple[tuple[str, float], ...] = ()
    """(call, seconds between two)"""
    idle: tuple[str, float] | None = None
    """(call, seconds between two); None: it asks nothing."""
    held_seconds: float = 0.0
    """How long an idle call is held: a Lambda function is busy for so long."""
    is_pushed_to: bool = False
    """The farm calls its workers: the schedule's function runs for 50 s of each minute."""

    @property
    def room(self) -> str:
        """As `chalicelib/dialects` has it: `flamenco1`."""
        return self.name.partition(",")[0].replace(" ", "").lower()


PROTOCOLS = (
    Protocol(
        "Pleiades",
        (("pleiades: contract, a job", 1), ("pleiades: job, read", 4), ("pleiades: job, finished", 1)),
        idle=("pleiades: contract, no job", 25.0),
        held_seconds=25.0,
    ),
    Protocol(
        "Scheduler",
        (("scheduler: start", 1), ("contract: complete and claim, written tasks", 1), ("log: one chunk", 1)),
        (("scheduler: query", 5.0), ("contract: is it still wanted, one held", 20.0), ("renew", 40.0)),
        idle=("contract: nothing to do", 30.0),
    ),
    Protocol(
        "Flamenco 2",
        (("flamenco2: task, given", 1), ("flamenco2: update with a log", 1), ("flamenco2: update, completed", 1)),
        (("flamenco2: may keep running", 5.0), ("flamenco2: update with a log", 30.0)),
        idle=("flamenco2: task, none", 20.0),
    ),
    Protocol(
        "Flamenco 1, pulling",
        (("flamenco1: task, given", 1), ("flamenco1: completed", 1)),
        (("flamenco1: active", 10.0),),
        idle=("flamenco1: task, none", 10.0),
    ),
    Protocol(
        "Transcode",
        (("contract: complete and claim, written tasks", 1),),
        (("transcode: heartbeat", 3.0),),
        idle=("transcode: heartbeat", 3.0),
        is_pushed_to=True,
    ),
)
"""Intervals as their programs have them, where they are known; docs/cost.md says which were assumed."""
PUSHING_PER_MONTH = 43_200 * (50 * 0.5 * 0.0000133334 + 50 * 2.5 * 0.125e-6)
"""Dollars: the schedule's function at 512 MB, a round of pushes each second."""


@dataclass(frozen=True)
class Setup:
    """How a farm is deployed. `seconds_per_call` of Lambda is an estimate, not a measurement."""

    through_gateway: bool = True
    through_cloudfront: bool = True
    memory_gb: float = 1.0
    seconds_per_call: float = 0.02
    prices: Prices = field(default_factory=Prices)
    limits: Limits = field(default_factory=lambda: limits_on_aws())


def limits_on_aws() -> Limits:
    """As a deployed farm has them, unless it was told otherwise."""
    return settings_from({"MILLRACE_TABLE": "any", "MILLRACE_BUCKET": "any"}).limits


class Costs:
    """Dollars for a setup."""

    def __init__(self, setup: Setup, calls: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self._setup = setup
        self._calls = calls or {**json.loads(CALLS.read_text()), **json.loads(PROTOCOL_CALLS.read_text())}

    def call(self, name: str) -> float:
        """One call: the doors, Lambda, the table."""
        prices, units = self._setup.prices, self._calls[name]
        doors = self._setup.through_gateway * prices.gateway_per_million
        doors += self._setup.through_cloudfront * prices.cloudfront_per_million
        table = units["read_units"] * prices.reads_per_million + units["write_units"] * prices.writes_per_million
        seconds = self._setup.memory_gb * self._setup.seconds_per_call * prices.lambda_per_gb_second
        return (doors + prices.lambda_per_million + table) / MILLION + seconds

    def idle_workers(self, count: int, *, quiet: bool = True) -> float:
        """A day of workers that ask and get nothing, and whose contact is noted now and then. `quiet`: nobody on the
        farm has work, and so they ask less often."""
        limits = self._setup.limits
        every = quiet_seconds(limits, count) if quiet else limits.poll_idle_seconds
        contact = self._setup.prices.writes_per_million / MILLION
        return count * DAY * (self.call(NOTHING) / every + contact / max(limits.contact_every_seconds, every))

    def tasks(self, count: int, seconds: float) -> float:
        """Tasks of a large step that run so long, each completed in the call that claims the next; in between the
        worker asks whether it is still wanted, once soon after the claim and then at the interval, and renews."""
        limits = self._setup.limits
        looks = 1 + int(seconds / limits.poll_holding_seconds)
        renewals = int(seconds / (limits.lease_seconds / 3))
        each = self.call(COMPLETE_AND_CLAIM) + looks * self.call(STILL_WANTED) + renewals * self.call(RENEW)
        return count * each

    def tasks_of(self, protocol: Protocol, count: int, seconds: float) -> float:
        """The same through another protocol, each call as its workers make it."""
        each = sum(times * self.call(name) for name, times in protocol.each_task)
        each += sum(int(seconds / every) * self.call(name) for name, every in protocol.while_it_runs)
        return count * each

    def idle_of(self, protocol: Protocol, count: int) -> float:
        """A day of its idle workers, with the functions that are busy while calls are held."""
        if protocol.idle is None:
            return 0.0
        name, every = protocol.idle
        prices = self._setup.prices
        held = self._setup.memory_gb * protocol.held_seconds * prices.lambda_per_gb_second
        return count * DAY / every * (self.call(name) + held)

    def tasks_in_tens(self, count: int) -> float:
        """Tasks so short that a worker takes ten at once and asks for nothing in between."""
        return count / 10 * self.call(TEN_AT_ONCE)


IDLE_FARM_PER_MONTH = 0.07 + 0.06 + 0.03
"""The schedule (43,200 runs of 0.2 s at 512 MB), its reads of the table, its logs: docs/aws.md. The doors cost nothing
while nobody comes."""
