"""Operations as DynamoDB requests. Pure; used by `dynamo.py`."""

from __future__ import annotations

from typing import Any

from chalicelib.core.ports import Check, Delete, Operation, Put, Update
from chalicelib.store.dynamo_expressions import Expressions, item_to_wire, key_to_wire

Arguments = dict[str, Any]

_OLD_ITEM = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def single_write(operation: Put | Update | Delete, table_name: str) -> tuple[str, Arguments]:
    """The client's method for one write outside a transaction, and its arguments."""
    arguments = _arguments(operation, table_name)
    match operation:
        case Put():
            return "put_item", arguments
        case Update():
            return "update_item", {**arguments, "ReturnValues": "ALL_NEW"}
        case Delete():
            return "delete_item", arguments


def transaction(operations: list[Operation], table_name: str, token: str) -> Arguments:
    """Arguments of `transact_write_items`. The token makes a repetition within ten minutes harmless."""
    items = [{_member(operation): _arguments(operation, table_name)} for operation in operations]
    return {"TransactItems": items, "ClientRequestToken": token}


def _member(operation: Operation) -> str:
    match operation:
        case Put():
            return "Put"
        case Update():
            return "Update"
        case Delete():
            return "Delete"
        case Check():
            return "ConditionCheck"


def _arguments(operation: Operation, table_name: str) -> Arguments:
    expressions = Expressions()
    arguments: Arguments = {"TableName": table_name}
    if isinstance(operation, Put):
        arguments["Item"] = item_to_wire(operation.item)
    else:
        arguments["Key"] = key_to_wire(operation.key)
    if isinstance(operation, Update):
        arguments["UpdateExpression"] = expressions.changes(operation.changes)
    if operation.when:
        arguments |= {"ConditionExpression": expressions.condition(operation.when), **_OLD_ITEM}
    return arguments | expressions.arguments()
