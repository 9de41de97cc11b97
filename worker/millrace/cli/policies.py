"""`millrace retry-policy`: what the farm says of job types, for jobs that do not say it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from millrace.cli.options import Invocation, command, json_text, pass_invocation
from millrace.cli.rendering import table
from millrace.cli.submitting import retry_policy as parsed


@command("retry-policy")
@click.argument("type", required=False)
@click.option("--attempts", type=click.IntRange(1, 101), help="How often a task is run at most, when it fails.")
@click.option("--delay", type=click.IntRange(0, 86_400), help="Seconds before a failed task is tried again.")
@click.option(
    "--on-exit",
    "rules",
    multiple=True,
    metavar="CODE=RULE",
    help="What an exit code means: fail, retry:SECONDS, or wait:SECONDS (spends no attempt). May be repeated.",
)
@click.option("--max-seconds", type=click.IntRange(min=1), help="A task that takes longer has failed.")
@click.option("--idle-seconds", type=click.IntRange(min=10), help="So has one that gives no sign of life so long.")
@click.option("--clear", is_flag=True, help="Say nothing of this type any more, before the other options count.")
@pass_invocation
def retry_policy(
    invocation: Invocation,
    /,
    type: str | None,
    attempts: int | None,
    delay: int | None,
    rules: tuple[str, ...],
    max_seconds: int | None,
    idle_seconds: int | None,
    clear: bool,
) -> None:
    """Show what is said of job types; or say of TYPE what counts for jobs that do not say it themselves.

    What is not said again stays. Rules and delays count at once, attempts and times for jobs submitted from now on. On
    a closed farm saying needs scope admin.

      millrace retry-policy blender-render --attempts 5 --on-exit 211=wait:300
    """
    farm = invocation.farm()
    said = {"max_retries": None if attempts is None else attempts - 1, "max_seconds": max_seconds}
    said |= {"idle_seconds": idle_seconds}
    new = {name: value for name, value in said.items() if value is not None} | (parsed(delay, rules) or {})
    if type is None:
        if new or clear:
            raise click.UsageError("name the job type that this is to count for")
        return _show(invocation, farm.retry_policies())
    before = {} if clear else farm.retry_policies().get(type, {})
    if new:
        codes = {**before.get("exit_codes", {}), **new.get("exit_codes", {})}
        farm.set_retry_policy(type, {**before, **new, "exit_codes": codes})
    elif clear:
        farm.set_retry_policy(type, None)
    _show(invocation, {name: one for name, one in farm.retry_policies().items() if name == type})


def _show(invocation: Invocation, policies: Mapping[str, Mapping[str, Any]]) -> None:
    if invocation.as_json:
        click.echo(json_text(policies))
        return
    table(
        ["TYPE", "ATTEMPTS", "DELAY", "ON EXIT", "MAX SECONDS", "IDLE SECONDS"],
        [[name, *_row(policy)] for name, policy in sorted(policies.items())],
    )


def _row(policy: Mapping[str, Any]) -> list[str]:
    retries = policy.get("max_retries")
    rules = " ".join(f"{code}={_rule(rule)}" for code, rule in policy.get("exit_codes", {}).items())
    limits = [str(policy.get(name) or "") for name in ("max_seconds", "idle_seconds")]
    return ["" if retries is None else str(retries + 1), str(policy.get("delay_seconds") or ""), rules, *limits]


def _rule(rule: Mapping[str, Any]) -> str:
    if rule["action"] == "fail":
        return "fail"
    return f"{'retry' if rule['counted'] else 'wait'}:{rule['delay_seconds']}"
