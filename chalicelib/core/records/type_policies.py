"""What the farm says of job types (`type_policies`): one item for each type of which anything is said."""

from __future__ import annotations

from collections.abc import Mapping

from ..ports import Delete, Put, Table
from ..retry_policy import TypePolicy, policy_from, policy_json
from . import keys
from .fields import from_json, item, to_json
from .paging import pages


def read(table: Table) -> Mapping[str, TypePolicy]:
    first, last = keys.TYPE_POLICIES
    found = pages(table, keys.farm().pk, first=first, last=last)
    return {
        one["type"]: TypePolicy(
            policy_from(from_json(one.get("retry"))),
            one.get("max_retries"),
            one.get("max_seconds"),
            one.get("idle_seconds"),
        )
        for one in found
    }


def write(table: Table, type_name: str, policy: TypePolicy) -> None:
    fields = {
        "type": type_name,
        "retry": to_json(policy_json(policy.retry)),
        "max_retries": policy.max_retries,
        "max_seconds": policy.max_seconds,
        "idle_seconds": policy.idle_seconds,
    }
    table.write(Put(item(keys.type_policy(type_name), fields)))


def remove(table: Table, type_name: str) -> None:
    table.write(Delete(keys.type_policy(type_name)))
