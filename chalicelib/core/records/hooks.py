"""Access patterns of webhooks: who is to be told, and the outbox of what they have not been told yet.

One item for each event and hook. While it waits it stands in the index `unsettled` at the time of its next try; told or
given up, it stays for two days, so that the same event does not come into being again, and can be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..model import JobId
from ..ports import Absent, ConditionFailed, Delete, Equals, Exists, Item, Key, Put, Remove, Set, Table, Update
from . import keys
from .fields import item
from .paging import head, pages

HookId = int
PENDING, DELIVERED, GIVEN_UP = "pending", "delivered", "given up"
KEPT_SECONDS = 2 * 86_400
MAILTO = "mailto:"


@dataclass(frozen=True)
class Hook:
    """An address that wants to hear of events."""

    id: HookId
    url: str
    events: tuple[str, ...]
    format: str
    """`json`, or `slack`: a text for incoming hooks of Slack, Mattermost and their like."""
    job: JobId | None
    """Only events of this job; None: of the whole farm."""
    secret: str
    """Signs what is sent, and so is kept as it is."""
    created_at: int

    @property
    def mail_to(self) -> str | None:
        """The e-mail address, if it is one that is told and not a URL that is called."""
        return self.url.removeprefix(MAILTO) if self.url.startswith(MAILTO) else None


@dataclass(frozen=True)
class Delivery:
    """One event for one hook."""

    hook: HookId
    id: str
    """The event's: the same for all hooks, however often it is sent. Begins with its time, so that ids sort."""
    event: str
    at: int
    about: str
    """JSON: what the event is about, as it was then."""
    status: str
    attempts: int
    next_at: int
    error: str | None
    """Why the last try failed."""


class HookRecords:
    def __init__(self, table: Table) -> None:
        self._table = table

    # ---- hooks: few, in one partition, so that an event finds all of them with one strong read

    def all(self) -> list[Hook]:
        """Oldest first."""
        return [_hook_from(found) for found in pages(self._table, keys.HOOKS, first="0", last="9~")]

    def get(self, hook_id: HookId) -> Hook | None:
        found = self._table.get(keys.hook(hook_id))
        return None if found is None else _hook_from(found)

    def put(self, hook: Hook, *, new: bool) -> bool:
        """False when it was deleted meanwhile."""
        fields = dict(hook.__dict__) | {"events": list(hook.events)}
        try:
            self._table.write(Put(item(keys.hook(hook.id), fields), (Absent() if new else Exists(),)))
        except ConditionFailed:
            return False
        return True

    def delete(self, hook_id: HookId) -> None:
        """The hook first: what is left in its outbox is dropped when its turn comes, if this is as far as it gets."""
        self._table.write(Delete(keys.hook(hook_id)))
        left = list(pages(self._table, keys.outbox(hook_id)))
        self._table.write_many([[Delete(Key(found["pk"], found["sk"]))] for found in left])

    # ---- how far the farm has looked for events

    def cursor(self) -> str | None:
        found = self._table.get(keys.hook_cursor())
        return None if found is None else str(found["cursor"])

    def set_cursor(self, cursor: str) -> None:
        """Two that look at once repeat each other's work, and no more."""
        self._table.write(Put(item(keys.hook_cursor(), {"cursor": cursor})))

    # ---- outbox

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Put-if-absent each."""
        self._table.write_many([[Put(_delivery_item(delivery), (Absent(),))] for delivery in deliveries])

    def due(self, now: int, limit: int) -> list[Delivery]:
        """What is to be tried by now, longest waiting first, as far as the index has heard."""
        entries = head(self._table, keys.OUTBOX, limit, index="unsettled", last=keys.digits(now) + "~")
        found = self._table.get_many([Key(entry["pk"], entry["sk"]) for entry in entries]) if entries else []
        deliveries = [_delivery_from(each) for each in found if each is not None]
        return [each for each in deliveries if each.status == PENDING and each.next_at <= now]

    def take(self, delivery: Delivery, next_at: int) -> bool:
        """Count a try, and set when the next would be, before it is made: who dies in it is followed by the next. False
        when another process was faster."""
        return self._change(delivery, Set("attempts", delivery.attempts + 1), *_waits(next_at))

    def postpone(self, delivery: Delivery, next_at: int, error: str) -> bool:
        return self._change(delivery, Set("error", error), *_waits(next_at))

    def failed(self, delivery: Delivery, error: str) -> None:
        """Its `take` has set when the next try is."""
        self._change(delivery, Set("error", error), taken=1)

    def end(self, delivery: Delivery, status: str, now: int, *, taken: int = 0) -> None:
        over = (Remove("unsettled_pk"), Remove("unsettled_sk"), Set("expires_at", now // 1000 + KEPT_SECONDS))
        gone = () if status == GIVEN_UP else (Remove("error"),)
        self._change(delivery, Set("status", status), *over, *gone, taken=taken)

    def drop(self, delivery: Delivery) -> None:
        self._table.write(Delete(keys.delivery(delivery.hook, delivery.id)))

    def deliveries(self, hook_id: HookId, limit: int) -> list[Delivery]:
        """Newest first."""
        return [_delivery_from(found) for found in head(self._table, keys.outbox(hook_id), limit, descending=True)]

    def prune(self, hook_id: HookId, before: int) -> None:
        """Drop what ended long ago (DynamoDB does it by itself). `before`: of the events."""
        old = pages(self._table, keys.outbox(hook_id), last=keys.digits(before))
        ended = [Key(found["pk"], found["sk"]) for found in old if found["status"] != PENDING]
        self._table.write_many([[Delete(key)] for key in ended])

    def _change(self, delivery: Delivery, *changes: Any, taken: int = 0) -> bool:
        when = (Equals("status", PENDING), Equals("attempts", delivery.attempts + taken))
        try:
            self._table.write(Update(keys.delivery(delivery.hook, delivery.id), changes, when))
        except ConditionFailed:
            return False
        return True


def _waits(next_at: int) -> tuple[Set, ...]:
    return Set("next_at", next_at), Set("unsettled_pk", keys.OUTBOX), Set("unsettled_sk", keys.digits(next_at))


def _delivery_item(delivery: Delivery) -> dict[str, Any]:
    waits = {change.field: change.value for change in _waits(delivery.next_at)}
    return item(keys.delivery(delivery.hook, delivery.id), dict(delivery.__dict__) | waits)


def _delivery_from(found: Item) -> Delivery:
    names = ("hook", "id", "event", "at", "about", "status", "attempts", "next_at")
    return Delivery(**{name: found[name] for name in names}, error=found.get("error"))


def _hook_from(found: Item) -> Hook:
    names = ("id", "url", "format", "secret", "created_at")
    return Hook(**{name: found[name] for name in names}, events=tuple(found["events"]), job=found.get("job"))
