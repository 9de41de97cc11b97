"""What those who run a farm ask of it: tokens, webhooks, how often tasks are retried and how long things are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from millrace.sdk import reading
from millrace.sdk.asking import Asking, id_of
from millrace.sdk.values import Delivery, Job, Pruned, Token, Webhook

PRUNE_SECONDS = 3600.0
"""A farm on one machine looks through all of its tasks in one call."""


class Administration(Asking):
    """The part of `Farm` of which most needs a token with scope admin."""

    # ---- who may come in ----

    def tokens(self) -> list[Token]:
        """All tokens of the farm, without their texts; needs scope admin, as do the next two."""
        return [reading.token(token) for token in self._get("/tokens")["items"]]

    def make_token(self, name: str, scopes: Sequence[str]) -> Token:
        """A new token with some of the scopes `submit`, `operate`, `worker`, `admin`."""
        body = {"name": name, "scopes": list(scopes)}
        return reading.token(self._calls.json("POST", "/tokens", repeatable=False, json=body))

    def make_join_token(self, name: str = "a worker", *, minutes: int = 15) -> Token:
        """What lets one machine in, once, within so many minutes: `millrace worker --join TEXT` there."""
        body = {"name": name, "minutes": minutes}
        return reading.token(self._calls.json("POST", "/join-tokens", repeatable=False, json=body))

    def revoke_token(self, token: str | Token) -> None:
        self._calls.send("DELETE", f"/tokens/{id_of(token)}", repeatable=False)

    # ---- who is told of events ----

    def webhooks(self) -> list[Webhook]:
        """Who is told of events; needs scope admin, as do the next three."""
        return [reading.webhook(hook) for hook in self._get("/webhooks")["items"]]

    def make_webhook(
        self,
        url: str,
        events: Sequence[str],
        *,
        format: str = "json",  # noqa: A002
        job: str | Job | None = None,
    ) -> Webhook:
        """Have the farm tell this URL of events, such as `job.failed`; the answer has the secret that signs."""
        body = {"url": url, "events": list(events), "format": format} | ({} if job is None else {"job": id_of(job)})
        return reading.webhook(self._calls.json("POST", "/webhooks", repeatable=False, json=body))

    def deliveries(self, hook: str | Webhook) -> list[Delivery]:
        """What a webhook was told in the last two days, or is to be; newest first."""
        return [reading.delivery(each) for each in self._get(f"/webhooks/{id_of(hook)}")["deliveries"]]

    def delete_webhook(self, hook: str | Webhook) -> None:
        self._calls.send("DELETE", f"/webhooks/{id_of(hook)}", repeatable=False)

    # ---- what is done again, and what is kept ----

    def retry_policies(self) -> dict[str, dict[str, Any]]:
        """What the farm says of job types, by type; what jobs say themselves wins."""
        return dict(self._get("/retry-policies")["policies"])

    def set_retry_policy(self, type: str, policy: Mapping[str, Any] | None) -> None:  # noqa: A002
        """Say it of a job type, in place of what was said before; None: nothing any more. Needs scope admin.

        Fields, each of which may be left out: `max_retries`, `delay_seconds`, `exit_codes` (as in `submit`),
        `max_seconds`, `idle_seconds`.
        """
        path = f"/retry-policies/{quote(type, safe='')}"
        if policy is None:
            self._calls.send("DELETE", path, repeatable=False)
        else:
            self._calls.json("PUT", path, repeatable=True, json=dict(policy))

    def retention(self) -> int | None:
        """Days for which jobs are kept after they have ended; None: for ever."""
        days = self._get("/retention")["ended_jobs_days"]
        return None if days is None else int(days)

    def set_retention(self, days: int | None) -> None:
        """Say so; older jobs are then deleted. Needs scope admin. See `retention_preview` first."""
        self._calls.json("PUT", "/retention", repeatable=True, json={"ended_jobs_days": days})

    def content_retention(self) -> int | None:
        """Days for which content is kept that nothing needs; None: until somebody prunes."""
        days = self._get("/retention").get("content_days")
        return None if days is None else int(days)

    def set_content_retention(self, days: int | None) -> None:
        """Say so; once a day the farm then removes what is older, as `prune` does. Needs scope admin."""
        self._calls.json("PUT", "/retention", repeatable=True, json={"content_days": days})

    def retention_preview(self, days: int) -> tuple[int, list[Job]]:
        """How many jobs (up to 1,000) would be deleted now if they were kept for so long, and the first of them."""
        found = self._get("/retention/preview", ended_jobs_days=days)
        return int(found["count"]), [reading.job(job) for job in found["jobs"]]

    def prune(self, *, older_than_days: int = 30, dry_run: bool = False) -> Pruned:
        """Remove content that no job needs and nobody stored or relied on for so many days; needs scope admin."""
        body = {"older_than_days": older_than_days, "dry_run": dry_run}
        timeout = (5.0, PRUNE_SECONDS)
        return reading.pruned(self._calls.json("POST", "/prune", repeatable=False, json=body, timeout=timeout))
