"""What the farm says of job types, for jobs that do not say it themselves: retries, exit codes, time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core.access import Scope
from ..core.errors import NotFound
from ..core.farm import Farm
from ..core.retry_policy import TypePolicy, policy_from, policy_json
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer
from .operations import Operation
from .reading import read_body
from .wanted import Retry

LONGEST_SECONDS = 31 * 86_400


class PolicyWanted(Retry):
    """What is said of a job type; what is left out, or null, is not said."""

    max_retries: Annotated[int | None, Field(ge=0, le=100, description="Of each task.")] = None
    max_seconds: Annotated[int | None, Field(ge=1, le=LONGEST_SECONDS, description="How long an attempt may take.")] = (
        None
    )
    idle_seconds: Annotated[
        int | None, Field(ge=10, le=LONGEST_SECONDS, description="How long it may show no sign of life.")
    ] = None


class Policies(Answer):
    """By job type."""

    policies: dict[str, PolicyWanted]


def listing(farm: Farm, request: Request) -> Reply:
    """What is said of job types."""
    return _all(farm)


def replace(farm: Farm, request: Request, type_name: str) -> Reply:
    """Say what counts for jobs of a type that do not say it themselves, in place of what was said before.

    Delays and exit codes count at once, for jobs that are under way too; retries and times for jobs submitted from now
    on. A job's own rule for an exit code wins over the type's, and so does its own delay, its number of retries, and
    what its settings say of time.
    """
    if type_name not in farm.job_types:
        raise NotFound(f"no such job type: {type_name[:60]!r}; this farm knows {', '.join(sorted(farm.job_types))}")
    wanted = read_body(request, PolicyWanted)
    said = policy_from(wanted.model_dump(include={"delay_seconds", "exit_codes"}, exclude_unset=True))
    policy = TypePolicy(said, wanted.max_retries, wanted.max_seconds, wanted.idle_seconds)
    farm.type_policies.write(type_name, policy)
    return _all(farm)


def remove(farm: Farm, request: Request, type_name: str) -> Reply:
    """Say nothing of a job type any more."""
    if type_name not in farm.type_policies.all():
        raise NotFound(f"no such policy: nothing is said of job type {type_name[:60]!r}")
    farm.type_policies.remove(type_name)
    return Reply(204)


def _all(farm: Farm) -> Reply:
    return answer(Policies(policies={name: _shown(policy) for name, policy in farm.type_policies.all().items()}))


def _shown(policy: TypePolicy) -> PolicyWanted:
    limits = {"max_retries": policy.max_retries, "max_seconds": policy.max_seconds, "idle_seconds": policy.idle_seconds}
    return PolicyWanted.model_validate(policy_json(policy.retry) | limits)


OPERATIONS = (
    Operation("GET", "/retry-policies", listing, Scope.SUBMIT, answer=Policies),
    Operation("PUT", "/retry-policies/{id}", replace, Scope.ADMIN, answer=Policies, body=PolicyWanted),
    Operation("DELETE", "/retry-policies/{id}", remove, Scope.ADMIN, 204),
)
