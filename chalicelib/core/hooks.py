"""Webhooks as people see them: made, changed, looked at and deleted. Who calls them: `chalicelib/webhooks/`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from urllib.parse import urlsplit

from .errors import BadInput, Conflict, NotFound
from .farm import Farm
from .model import JobId
from .records.hooks import MAILTO, Delivery, Hook, HookId

MOST_HOOKS = 200
"""All of them are read for each batch of events."""
FORMATS = ("json", "slack")
LONGEST_URL = 2000
LONGEST_MAIL_ADDRESS = 254
"""RFC 5321."""
_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9!#$&'*+/=^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
"""One address and nothing else: no name, no list, none of the headers that a mailto URL could ask for."""


class Event(StrEnum):
    """What a hook can hear of."""

    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELED = "job.canceled"
    WORKER_LOST = "worker.lost"
    """Silent for too long."""
    WORKER_ERROR = "worker.error"
    """It said so itself."""


def create(farm: Farm, url: str, events: Sequence[str], *, format: str = "json", job: JobId | None = None) -> Hook:  # noqa: A002
    """A new hook, with a secret that is told only once. Raises BadInput (no such job, too), Conflict (too many)."""
    hook = Hook(farm.ids.one(), url, _events(events), format, job, secrets.token_urlsafe(32), farm.clock.now())
    _check(hook)
    if job is not None and farm.jobs.get(job) is None:
        raise BadInput(f"no such job: {job}", field="job")
    if len(farm.hooks.all()) >= MOST_HOOKS:
        raise Conflict(f"there are {MOST_HOOKS} webhooks already; delete one first")
    farm.hooks.put(hook, new=True)
    return hook


def get(farm: Farm, hook_id: HookId) -> Hook:
    hook = farm.hooks.get(hook_id)
    if hook is None:
        raise NotFound(f"no such webhook: {hook_id}")
    return hook


def change(farm: Farm, hook_id: HookId, **wanted: object) -> Hook:
    """Another url, events or format; what waits is sent as the hook is then."""
    before = get(farm, hook_id)
    if "events" in wanted:
        wanted["events"] = _events(wanted["events"])  # type: ignore[arg-type]
    hook = replace(before, **wanted)  # type: ignore[arg-type]
    _check(hook)
    if not farm.hooks.put(hook, new=False):
        raise NotFound(f"no such webhook: {hook_id}")
    return hook


def delete(farm: Farm, hook_id: HookId) -> None:
    """It is told nothing more, also not what waits for it."""
    get(farm, hook_id)
    farm.hooks.delete(hook_id)


def forget_job(farm: Farm, job_id: JobId) -> None:
    """The job is gone; so are hooks for it alone."""
    for hook in farm.hooks.all():
        if hook.job == job_id:
            farm.hooks.delete(hook.id)


def deliveries(farm: Farm, hook_id: HookId, limit: int) -> list[Delivery]:
    """What it was told, or is to be, newest first; of the last two days."""
    get(farm, hook_id)
    return farm.hooks.deliveries(hook_id, limit)


def _events(wanted: Sequence[str]) -> tuple[str, ...]:
    unknown = [event for event in wanted if event not in set(Event)]
    if unknown or not wanted:
        raise BadInput(f"events are {', '.join(Event)}; not {', '.join(unknown) or 'none'}", field="events")
    return tuple(sorted(set(wanted)))


def _check(hook: Hook) -> None:
    if hook.format not in FORMATS:
        raise BadInput(f"format must be one of {', '.join(FORMATS)}, not {hook.format[:40]!r}", field="format")
    check_url(hook.url)
    if hook.job is not None and any(event.startswith("worker.") for event in hook.events):
        raise BadInput("a webhook of one job hears of no workers", field="events")


def is_mail_address(text: str) -> bool:
    return len(text) <= LONGEST_MAIL_ADDRESS and _MAIL_ADDRESS.fullmatch(text) is not None


def check_url(url: str) -> None:
    """Raises BadInput for what is no URL of a webhook."""
    if url.startswith(MAILTO):
        if not is_mail_address(url.removeprefix(MAILTO)):
            raise BadInput("url must be mailto: with one plain address, such as mailto:ann@example.com", field="url")
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST_URL
    if not (usable and plain and "@" not in url.partition("://")[2].partition("/")[0]):
        raise BadInput("url must be http:// or https:// with a host, and without a name or password", field="url")
