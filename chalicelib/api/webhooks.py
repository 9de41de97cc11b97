"""Webhooks: who is told of events. A hook's secret is in the answer that makes it, and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..core import hooks
from ..core.access import Scope
from ..core.errors import BadInput
from ..core.farm import Farm
from ..core.hooks import LONGEST_URL
from ..core.ids import parse_id
from ..core.records.hooks import MAILTO, Hook
from ..core.records.hooks import Delivery as Kept
from ..edge import current
from ..edge.clock import time_text
from ..edge.http import Reply, Request
from .answering import answer
from .models import Answer, Id, Time
from .operations import Operation
from .reading import read_body
from .translate import id_text
from .wanted import LEFT_OUT, Wanted

MOST_DELIVERIES = 100

EventName = Literal["job.completed", "job.failed", "job.canceled", "worker.lost", "worker.error"]
Url = Annotated[
    str, Field(min_length=8, max_length=LONGEST_URL, description="http or https, or mailto: with an e-mail address.")
]
Events = Annotated[list[EventName], Field(min_length=1, max_length=5)]
Format = Annotated[
    Literal["json", "slack"],
    Field(description="`slack`: a text, as incoming hooks of Slack and Mattermost want it."),
]


class WebhookWanted(Wanted):
    """Someone to be told."""

    url: Url
    events: Events
    format: Format = "json"
    job: Annotated[Id, Field(description="Only events of this job."), LEFT_OUT] = ""


class WebhookChange(Wanted):
    """What is to be different. What is not given stays."""

    url: Annotated[Url, LEFT_OUT] = ""
    events: Annotated[Events, LEFT_OUT] = []
    format: Annotated[Format, LEFT_OUT] = "json"


class Webhook(Answer):
    id: Id
    url: str
    events: list[str]
    format: str
    job: Id | None
    created_at: Time


class NewWebhook(Webhook):
    secret: Annotated[str, Field(description="Signs what is sent (docs/webhooks.md). It is not told again.")]
    warning: Annotated[str | None, Field(description="Why calls to it would fail at this moment, if that is known.")]


class Delivery(Answer):
    """An event for this webhook. `id` is the event's, and the same each time it is sent."""

    id: str
    event: str
    at: Time
    status: Annotated[str, Field(json_schema_extra={"enum": ["pending", "delivered", "given up"]})]
    attempts: int
    next_at: Annotated[Time | None, Field(description="Of the next try.")]
    error: Annotated[str | None, Field(description="Why the last try failed.")]


class WebhookDetails(Webhook):
    """A webhook, and what it was told or is to be in the last two days: the newest hundred."""

    deliveries: list[Delivery]


class Webhooks(Answer):
    items: list[Webhook]


def create(farm: Farm, request: Request) -> Reply:
    """Make a webhook.

    It is called only in the networks that the operator allowed (`MILLRACE_HOOK_NETWORKS`); a URL elsewhere is refused.
    A farm on AWS that was deployed with `--mail-from` sends an e-mail to `mailto:ann@example.com`. What fails is tried
    again for a day, with growing pauses.
    """
    wanted = read_body(request, WebhookWanted)
    job = parse_id(wanted.job, "job") if wanted.job else None
    hooks.check_url(wanted.url)
    warning = _reachable(wanted.url)
    hook = hooks.create(farm, wanted.url, wanted.events, format=wanted.format, job=job)
    return answer(NewWebhook(**_shown(hook).model_dump(), secret=hook.secret, warning=warning), 201)


def listing(farm: Farm, request: Request) -> Reply:
    """All webhooks, oldest first, without their secrets."""
    return answer(Webhooks(items=[_shown(hook) for hook in farm.hooks.all()]))


def show(farm: Farm, request: Request, hook_id: str) -> Reply:
    """One webhook, and its deliveries."""
    return _details(farm, hooks.get(farm, parse_id(hook_id, "webhook")))


def change(farm: Farm, request: Request, hook_id: str) -> Reply:
    """Give a webhook another url, other events or another format."""
    number, wanted = parse_id(hook_id, "webhook"), read_body(request, WebhookChange)
    given = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    # One that is no longer called, since the operator changed their mind, can still be given other events.
    if "url" in given and given["url"] != hooks.get(farm, number).url:
        hooks.check_url(given["url"])
        _reachable(given["url"])
    return _details(farm, hooks.change(farm, number, **given))


def delete(farm: Farm, request: Request, hook_id: str) -> Reply:
    """Tell this webhook nothing more, also not what waits for it."""
    hooks.delete(farm, parse_id(hook_id, "webhook"))
    return Reply(204)


def _reachable(url: str) -> str | None:
    """Raises BadInput where this farm calls nobody: whoever makes a webhook is there to read it, and the deliveries
    that would say it later are empty until something happens. What may be different in a minute, such as a name that
    nobody knows yet, is not refused: why calls would fail is the answer's warning."""
    if url.startswith(MAILTO):
        _mailable()
        return None
    from ..edge.push import PushFailed, PushRefused  # who makes no webhooks needs no client

    try:
        current.hook_pusher().check(url)
    except PushRefused as refused:
        raise BadInput(
            f"this webhook would not be called: {refused.message}{_way_out(refused.message)}", field="url"
        ) from None
    except PushFailed as failed:
        return failed.message
    return None


def _way_out(reason: str) -> str:
    if "MILLRACE_HOOK_NETWORKS" not in reason:
        return ""
    embedded = current.settings().embedded
    start = "MILLRACE_HOOK_NETWORKS=public millrace serve" if embedded else "./millrace deploy --hook-networks public"
    return f"; start the farm with {start} for the internet, or with a network of your own (docs/webhooks.md)"


def _mailable() -> None:
    """Raises BadInput where no e-mail is sent."""
    if current.settings().mail_from:
        return
    how = "that needs AWS; there " if current.settings().embedded else ""
    start = "start it with ./millrace deploy --mail-from ADDRESS (docs/webhooks.md)"
    raise BadInput(f"this farm sends no e-mail: {how or 'it was not told from which address; '}{start}", field="url")


def _details(farm: Farm, hook: Hook) -> Reply:
    kept = [_delivery(delivery) for delivery in hooks.deliveries(farm, hook.id, MOST_DELIVERIES)]
    return answer(WebhookDetails(**_shown(hook).model_dump(), deliveries=kept))


def _shown(hook: Hook) -> Webhook:
    return Webhook(
        id=str(hook.id),
        url=hook.url,
        events=list(hook.events),
        format=hook.format,
        job=id_text(hook.job),
        created_at=time_text(hook.created_at),
    )


def _delivery(kept: Kept) -> Delivery:
    return Delivery(
        id=kept.id,
        event=kept.event,
        at=time_text(kept.at),
        status=kept.status,
        attempts=kept.attempts,
        next_at=time_text(kept.next_at) if kept.status == "pending" else None,
        error=kept.error,
    )


OPERATIONS = (
    Operation("GET", "/webhooks", listing, Scope.ADMIN, answer=Webhooks),
    Operation("POST", "/webhooks", create, Scope.ADMIN, 201, NewWebhook, body=WebhookWanted, problems=(404, 409)),
    Operation("GET", "/webhooks/{id}", show, Scope.ADMIN, answer=WebhookDetails),
    Operation("PATCH", "/webhooks/{id}", change, Scope.ADMIN, answer=WebhookDetails, body=WebhookChange),
    Operation("DELETE", "/webhooks/{id}", delete, Scope.ADMIN, 204),
)
