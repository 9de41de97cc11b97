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

CALLS = Path(__file__).with_name("calls.json")
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
        self._calls = calls or json.loads(CALLS.read_text())

    def call(self, name: str) -> float:
        """One call: the doors, Lambda, the table."""
        prices, units = self._setup.prices, self._calls[name]
        doors = self._setup.through_gateway * prices.gateway_per_million
        doors += self._setup.through_cloudfront * prices.cloudfront_per_million
        table = units["read_units"] * prices.reads_per_million + units["write_units"] * prices.writes_per_million
        seconds = self._setup.memory_gb * self._setup.seconds_per_call * prices.lambda_per_gb_second
        return (doors + prices.lambda_per_million + table) / MILLION + seconds

    def idle_workers(self, count: int) -> float:
        """A day of workers that ask and get nothing, and whose contact is noted now and then."""
        limits = self._setup.limits
        contacts = DAY / limits.contact_every_seconds * self._setup.prices.writes_per_million / MILLION
        return count * (DAY / limits.poll_idle_seconds * self.call(NOTHING) + contacts)

    def tasks(self, count: int, seconds: float) -> float:
        """Tasks of a large step that run so long, each completed in the call that claims the next; in between the
        worker asks whether it is still wanted, once soon after the claim and then at the interval, and renews."""
        limits = self._setup.limits
        looks = 1 + int(seconds / limits.poll_holding_seconds)
        renewals = int(seconds / (limits.lease_seconds / 3))
        each = self.call(COMPLETE_AND_CLAIM) + looks * self.call(STILL_WANTED) + renewals * self.call(RENEW)
        return count * each

    def tasks_in_tens(self, count: int) -> float:
        """Tasks so short that a worker takes ten at once and asks for nothing in between."""
        return count / 10 * self.call(TEN_AT_ONCE)


IDLE_FARM_PER_MONTH = 0.07 + 0.06 + 0.03
"""The schedule (43,200 runs of 0.2 s at 512 MB), its reads of the table, its logs: docs/aws.md. The doors cost nothing
while nobody comes."""
