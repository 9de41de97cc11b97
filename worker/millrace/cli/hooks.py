"""`millrace webhook`, `webhooks`, `unhook`: who is told of events. On a closed farm this needs scope admin."""

from __future__ import annotations

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.plain_text import plain_lines
from millrace.cli.rendering import table, when

EVENTS = ("job.completed", "job.failed", "job.canceled", "worker.lost", "worker.error")


@command("webhook")
@click.argument("url", required=False)
@click.option("--email", metavar="ADDRESS", help="Tell this address instead of a URL (farms on AWS).")
@click.option("--event", "events", type=click.Choice(EVENTS), multiple=True, help="May be repeated. [default: all]")
@click.option("--format", "format_", type=click.Choice(["json", "slack"]), default="json", show_default=True)
@click.option("--job", help="Only events of this job.")
@pass_invocation
def webhook(
    invocation: Invocation, url: str | None, email: str | None, events: tuple[str, ...], format_: str, job: str | None
) -> None:
    """Have the farm tell a URL of events, and print the secret that signs what it sends; it is not told again."""
    if (url is None) == (email is None):
        raise click.UsageError("name a URL, or --email ADDRESS")
    url = url or f"mailto:{email}"
    wanted = events or tuple(event for event in EVENTS if job is None or event.startswith("job."))
    made = invocation.farm().make_webhook(url, wanted, format=format_, job=job)
    if made.warning:
        click.echo(f"millrace: the webhook is made, but not called yet: {plain_lines(made.warning)}", err=True)
    invocation.answer(made, made.id if made.url.startswith("mailto:") else f"{made.id} {made.secret}")


@command("webhooks")
@click.argument("hook", required=False, metavar="[WEBHOOK]")
@pass_invocation
def webhooks(invocation: Invocation, hook: str | None) -> None:
    """List the webhooks; or what one of them was told, and what waits for it."""
    if hook is not None:
        deliveries = invocation.farm().deliveries(hook)
        if invocation.as_json:
            return invocation.answer_list(deliveries)
        rows = [[when(d.at), d.event, d.status, str(d.attempts), d.error or ""] for d in deliveries]
        return table(["TIME", "EVENT", "STATUS", "TRIES", "ERROR"], rows)
    found = invocation.farm().webhooks()
    if invocation.as_json:
        return invocation.answer_list(found)
    table(
        ["ID", "URL", "EVENTS", "FORMAT", "JOB"],
        [[h.id, h.url, ",".join(h.events), h.format, h.job or ""] for h in found],
    )


@command("unhook")
@click.argument("hooks", nargs=-1, required=True, metavar="WEBHOOK...")
@pass_invocation
def unhook(invocation: Invocation, hooks: tuple[str, ...]) -> None:
    """Delete webhooks by their ids: they are told nothing more, also not what waits for them."""
    farm = invocation.farm()
    for one in hooks:
        farm.delete_webhook(one)
