"""What a failure means, by job: how soon a task is tried again, and what an exit code says about it.

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
    delay_seconds: int = 0
    exit_codes: Mapping[int, Rule] = field(default_factory=dict)

    def rule(self, exit_code: int | None) -> Rule:
        usual = Rule(delay_seconds=self.delay_seconds)
        return usual if exit_code is None else self.exit_codes.get(exit_code, usual)


USUAL = Rule()


def policy_json(policy: RetryPolicy) -> dict[str, Any]:
    """As `/api/v1` shows it, and as it is kept."""
    codes = {
        str(code): {"action": "fail" if rule.fails else "retry", **_details(rule)}
        for code, rule in policy.exit_codes.items()
    }
    return {"delay_seconds": policy.delay_seconds, "exit_codes": codes}


def _details(rule: Rule) -> dict[str, Any]:
    return {"delay_seconds": rule.delay_seconds, "counted": rule.counted}


def policy_from(said: Mapping[str, Any] | None) -> RetryPolicy:
    """From that JSON, which was checked at the door."""
    if said is None:
        return RetryPolicy()
    codes = {
        int(code): Rule(rule["action"] == "fail", rule["delay_seconds"], rule["counted"])
        for code, rule in said["exit_codes"].items()
    }
    return RetryPolicy(said["delay_seconds"], codes)
