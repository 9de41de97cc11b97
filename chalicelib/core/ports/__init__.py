"""What the core needs from the outside, in small protocols: a table, an object store, a clock, a bell, errands, e-mail.

A page each. Who needs one or two of the names takes them from here; who needs much of a page, as the engines do, takes
the page (`table.Page`, `writes.Put`).
"""

from .errands import Errands
from .items import Item, Key, Value
from .mail import Mailer, MailFailed
from .objects import ObjectHead, ObjectMismatch, ObjectStore, SignedRequest, StoredPart
from .table import Enough, Onward, Page, Pick, T, Table, TableUnavailable, Taken, first_is_enough, with_the_next
from .waiting import Bell, Clock, Waiter
from .writes import (
    Absent,
    Add,
    AtMost,
    Change,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Differs,
    Equals,
    Exists,
    Include,
    Missing,
    OneOf,
    Operation,
    Put,
    Remove,
    Set,
    Update,
    failure_of,
)

__all__ = [
    "Absent",
    "Add",
    "AtMost",
    "Bell",
    "Change",
    "Check",
    "Clock",
    "Condition",
    "ConditionFailed",
    "Delete",
    "Differs",
    "Enough",
    "Equals",
    "Errands",
    "Exists",
    "Include",
    "Item",
    "Key",
    "MailFailed",
    "Mailer",
    "Missing",
    "ObjectHead",
    "ObjectMismatch",
    "ObjectStore",
    "OneOf",
    "Onward",
    "Operation",
    "Page",
    "Pick",
    "Put",
    "Remove",
    "Set",
    "SignedRequest",
    "StoredPart",
    "T",
    "Table",
    "TableUnavailable",
    "Taken",
    "Update",
    "Value",
    "Waiter",
    "failure_of",
    "first_is_enough",
    "with_the_next",
]
