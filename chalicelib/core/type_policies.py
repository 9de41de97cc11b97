"""What the farm says of job types, for jobs that do not say it themselves: what failures mean, how often a task is
tried again, how long it may take.

How often and how long is a job's from its submission on. What failures mean is asked when one happens, so a rule for a
licence that has just run out counts for jobs that are under way, too. Protocols that count retries themselves submit
with their own number.
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import BadInput
from .model import Job
from .ports import Clock, Table
from .records import type_policies
from .retry_policy import RetryPolicy, TypePolicy

NOTHING = TypePolicy()


class TypePolicies:
    """A process's picture of them, read again after a few seconds."""

    def __init__(self, table: Table, clock: Clock, fresh_seconds: float) -> None:
        self._table = table
        self._clock = clock
        self._fresh_ms = int(fresh_seconds * 1000)
        self._known: tuple[int, Mapping[str, TypePolicy]] | None = None

    def all(self) -> Mapping[str, TypePolicy]:
        """By the name of the type; as they are now."""
        policies = type_policies.read(self._table)
        self._known = self._clock.now(), policies
        return policies

    def of(self, type_name: str) -> TypePolicy:
        known, now = self._known, self._clock.now()
        policies = self.all() if known is None or not 0 <= now - known[0] < self._fresh_ms else known[1]
        return policies.get(type_name, NOTHING)

    def write(self, type_name: str, policy: TypePolicy) -> None:
        """Say it, in place of what was said of that type before."""
        if policy.max_retries is not None and not 0 <= policy.max_retries <= 100:
            raise BadInput(f"max_retries must be 0 to 100, not {policy.max_retries}", field="max_retries")
        type_policies.write(self._table, type_name, policy)
        self._known = None

    def remove(self, type_name: str) -> None:
        type_policies.remove(self._table, type_name)
        self._known = None

    def failures_of(self, job: Job) -> RetryPolicy:
        """What its tasks' failures mean: what the job says, and for the rest what is said of its type."""
        return job.retry.over(self.of(job.type).retry)
