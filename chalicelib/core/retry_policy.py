"""What a failure means, by job and by job type: how soon a task is tried again, and what an exit code says about it.

Every failure is tried again, `max_retries` times, after `delay_seconds`. A rule for an exit code knows better: a scene
that is wrong fails at once (`fail`), a licence that is in use is asked for again in five minutes and spends no retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_ATTEMPTS = 1_000
"""Of a task whose failures are not counted."""


@dataclass(frozen=True)
class Rule:
    """What one failure means."""

    fails: bool = False
    """For good, whatever retries are left."""
    delay_seconds: int = 0
    """Before it is tried again."""
    counted: bool = True
    """It spends a retry, and is held against the worker."""


@dataclass(frozen=True)
class RetryPolicy:
    delay_seconds: int | None = None
    """None: nothing is said; at once."""
    exit_codes: Mapping[int, Rule] = field(default_factory=dict)

    def rule(self, exit_code: int | None) -> Rule:
        usual = Rule(delay_seconds=self.delay_seconds or 0)
        return usual if exit_code is None else self.exit_codes.get(exit_code, usual)

    def over(self, other: RetryPolicy) -> RetryPolicy:
        """This one, and where it says nothing the other."""
        delay = other.delay_seconds if self.delay_seconds is None else self.delay_seconds
        return RetryPolicy(delay, {**other.exit_codes, **self.exit_codes})


@dataclass(frozen=True)
class TypePolicy:
    """What is said of all jobs of a type that do not say it themselves. None: nothing."""

    retry: RetryPolicy = RetryPolicy()
    max_retries: int | None = None
    max_seconds: int | None = None
    """How long an attempt may take."""
    idle_seconds: int | None = None
    """How long an attempt may show no sign of life."""


USUAL = Rule()


def policy_json(policy: RetryPolicy) -> dict[str, Any]:
    """As it is kept; what is not said is not there."""
    codes = {
        str(code): {"action": "fail" if rule.fails else "retry", **_details(rule)}
        for code, rule in policy.exit_codes.items()
    }
    delay = {} if policy.delay_seconds is None else {"delay_seconds": policy.delay_seconds}
    return {**delay, "exit_codes": codes}


def _details(rule: Rule) -> dict[str, Any]:
    return {"delay_seconds": rule.delay_seconds, "counted": rule.counted}


def policy_from(said: Mapping[str, Any] | None) -> RetryPolicy:
    """From that JSON, which was checked at the door."""
    if said is None:
        return RetryPolicy()
    codes = {
        int(code): Rule(rule.get("action") == "fail", rule.get("delay_seconds", 0), rule.get("counted", True))
        for code, rule in said.get("exit_codes", {}).items()
    }
    return RetryPolicy(said.get("delay_seconds"), codes)
