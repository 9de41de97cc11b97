"""`millrace token`, `tokens`, `revoke`: who may use a closed farm. They need a token with scope admin themselves."""

from __future__ import annotations

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.rendering import table, when

SCOPES = ("submit", "operate", "worker", "admin")


@command("token")
@click.argument("name", required=False)
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, help="May be repeated.")
@click.option("--join", is_flag=True, help="A join token: it lets one machine in as a worker, once.")
@click.option(
    "--minutes",
    type=click.IntRange(1, 1440),
    default=15,
    show_default=True,
    help="With --join: how long it may be used.",
)
@pass_invocation
def token(invocation: Invocation, name: str | None, scopes: tuple[str, ...], join: bool, minutes: int) -> None:
    """Make a token and print it; it is not told again."""
    if join == bool(scopes):
        raise click.UsageError("say what it is for: --scope, or --join")
    if join:
        made = invocation.farm().make_join_token(name or "a worker", minutes=minutes)
    elif name is None:
        raise click.UsageError("a token needs a name: whose it is, or what for")
    else:
        made = invocation.farm().make_token(name, scopes)
    invocation.answer(made, made.text or "")


@command("tokens")
@pass_invocation
def tokens(invocation: Invocation) -> None:
    """List the tokens, without their texts."""
    found = invocation.farm().tokens()
    if invocation.as_json:
        return invocation.answer_list(found)
    rows = [[t.id, t.name, ",".join(t.scopes), t.worker or "-", when(t.created_at), when(t.ends_at)] for t in found]
    table(["ID", "NAME", "SCOPES", "WORKER", "MADE", "ENDS"], rows)


@command("revoke")
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@pass_invocation
def revoke(invocation: Invocation, tokens: tuple[str, ...]) -> None:
    """Revoke tokens by their ids: they open nothing from then on."""
    farm = invocation.farm()
    for one in tokens:
        farm.revoke_token(one)
