"""`millrace token`, `tokens`, `revoke`: who may use a closed farm. They need a token with scope admin themselves."""

from __future__ import annotations

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.rendering import table, when

SCOPES = ("submit", "operate", "worker", "admin")


@command("token")
@click.argument("name")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, required=True, help="May be repeated.")
@pass_invocation
def token(invocation: Invocation, name: str, scopes: tuple[str, ...]) -> None:
    """Make a token and print it; it is not told again."""
    made = invocation.farm().make_token(name, scopes)
    invocation.answer(made, made.text or "")


@command("tokens")
@pass_invocation
def tokens(invocation: Invocation) -> None:
    """List the tokens, without their texts."""
    found = invocation.farm().tokens()
    if invocation.as_json:
        return invocation.answer_list(found)
    table(["ID", "NAME", "SCOPES", "MADE"], [[t.id, t.name, ",".join(t.scopes), when(t.created_at)] for t in found])


@command("revoke")
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@pass_invocation
def revoke(invocation: Invocation, tokens: tuple[str, ...]) -> None:
    """Revoke tokens by their ids: they open nothing from then on."""
    farm = invocation.farm()
    for one in tokens:
        farm.revoke_token(one)
