"""`millrace completion SHELL`: what makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from millrace.cli.options import command

SHELLS = ("bash", "zsh", "fish")


@command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and options.

    bash: eval "$(millrace completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; fish:
    millrace completion fish > ~/.config/fish/completions/millrace.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    click.echo(kind(root, {}, "millrace", "_MILLRACE_COMPLETE").source())
