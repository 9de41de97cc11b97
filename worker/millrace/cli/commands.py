"""Which command is where. A command is imported when it is called: a worker does without what draws tables and uploads
folders, and every command starts sooner.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from millrace.cli.options import FarmGroup

COMMANDS = {
    "demo": "millrace.demo.command:demo",
    "serve": "millrace.cli.serving:serve",
    "backup": "millrace.cli.backing_up:backup",
    "restore": "millrace.cli.backing_up:restore",
    "worker": "millrace.cli.worker:worker",
    "workers": "millrace.cli.fleet:workers",
    "submit": "millrace.cli.submit_group:submit",
    "rerun": "millrace.cli.submit_again:rerun",
    "jobs": "millrace.cli.watching:jobs",
    "show": "millrace.cli.watching:show",
    "why": "millrace.cli.watching:why",
    "wait": "millrace.cli.watching:wait",
    "logs": "millrace.cli.reading:logs",
    "download": "millrace.cli.reading:download",
    "cancel": "millrace.cli.steering:cancel",
    "pause": "millrace.cli.steering:pause",
    "resume": "millrace.cli.steering:resume",
    "set": "millrace.cli.steering:set_",
    "queue": "millrace.cli.steering:queue",
    "retry": "millrace.cli.again:retry",
    "add-frames": "millrace.cli.again:add_frames",
    "delete": "millrace.cli.steering:delete",
    "retry-policy": "millrace.cli.policies:retry_policy",
    "retention": "millrace.cli.retention:retention",
    "prune": "millrace.cli.pruning:prune",
    "token": "millrace.cli.access:token",
    "tokens": "millrace.cli.access:tokens",
    "revoke": "millrace.cli.access:revoke",
    "webhook": "millrace.cli.hooks:webhook",
    "webhooks": "millrace.cli.hooks:webhooks",
    "unhook": "millrace.cli.hooks:unhook",
    "doctor": "millrace.cli.doctor:doctor",
    "completion": "millrace.cli.completion:completion",
}
"""Name: `module:command`."""


class LazyGroup(FarmGroup):
    """A group whose commands are imported one by one, as they are asked for."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **parts: Any) -> None:
        super().__init__(*args, **parts)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in self._lazy:
            module, _, name = self._lazy[cmd_name].partition(":")
            self.add_command(getattr(import_module(module), name), cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near:
                raise click.UsageError(f"{error.format_message()} Did you mean {near[0]}?", ctx) from None
            raise
