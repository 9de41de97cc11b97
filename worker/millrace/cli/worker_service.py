"""`millrace worker install` and `uninstall`: have it start with the machine, or no longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from click.core import ParameterSource

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.worker_options import FOR_SERVICES, worker_options
from millrace.service import definition
from millrace.service.definition import Plan, Service

ENVIRONMENT = "service.json"
OWN_ENVIRONMENT = "millrace-worker.json"
"""In a virtual environment that was made for the worker alone (`GET /install`)."""
COMMAND_SECONDS = 120

_WHERE = click.option(
    "--user/--system", "for_user", default=True, help="With this user's session, or with the machine (needs root)."
)


@command("install")
@worker_options
@_WHERE
@click.option("--as", "account", metavar="USER", help="With --system: whose processes it and its tasks are.")
@click.option("--upgrade/--no-upgrade", default=True, help="Whether it follows the farm's release.  [default: it does]")
@click.option("--print", "only_print", is_flag=True, help="Show what would be written and run, and do nothing.")
@pass_invocation
def install(
    invocation: Invocation,
    /,
    name: str,
    state: Path | None,
    join_token: str | None,
    for_user: bool,
    account: str | None,
    upgrade: bool,
    only_print: bool,
    **_options: Any,
) -> int:
    """Have a worker of the farm run from now on, whenever this machine runs; again: with other options.

    It takes the options of `millrace worker`. Linux: systemd, macOS: launchd, Windows: a scheduled task.
    """
    system = not for_user
    refuse_wrong_use(system, account, only_print)
    account = (account or os.environ.get("SUDO_USER")) if system else None
    if system and account is None and sys.platform != "win32":
        raise click.UsageError("say whose processes it and its tasks are: --as USER (root: tasks may do anything)")
    folder = (state or _default_state(invocation.url, name, system)).absolute()
    asked = ["--farm", invocation.url, "--name", name, "--state", str(folder), *_asked(click.get_current_context())]
    asked += ["--environment", str(folder / ENVIRONMENT), *(["--upgrade"] if upgrade else [])]
    program = (sys.executable, "-m", "millrace.cli", "worker", *asked)
    divides = click.get_current_context().params["task_cgroup"] == "own"
    plan = platform().install(Service(name, invocation.url, program, folder, system, account, divides))
    if only_print:
        show(plan)
        return 0
    prepare(folder, invocation, name, join_token)
    if system and account:
        _give(folder, account)
        if upgrade and (Path(sys.prefix) / OWN_ENVIRONMENT).exists():
            _give(Path(sys.prefix), account)
    return carry_out(plan)


@command("uninstall")
@click.option("--name", default=definition.this_machine, show_default="this machine's name", help="The worker's.")
@_WHERE
@click.option("--print", "only_print", is_flag=True, help="Show what would be removed, and do nothing.")
def uninstall(name: str, for_user: bool, only_print: bool) -> int:
    """Stop the worker, and start it no more. Its state folder stays: who it is, and what it owes the farm."""
    refuse_wrong_use(not for_user, None, only_print)
    label = definition.label_of(name)
    path = platform().path_of(label, system=not for_user)
    if sys.platform != "win32" and not path.exists():
        where = "" if for_user else " of the system"
        raise click.ClickException(f"there is no such service{where}: {path} (of another --name, --user or --system?)")
    plan = platform().uninstall(label, system=not for_user)
    if only_print:
        show(plan)
        return 0
    return carry_out(plan)


def platform() -> ModuleType:
    from millrace.service import launchd, systemd, windows

    return {"win32": windows, "darwin": launchd}.get(sys.platform, systemd)


def refuse_wrong_use(system: bool, account: str | None, only_print: bool) -> None:
    if account is not None and not system:
        raise click.UsageError("--as goes with --system; a service of yours is yours")
    if system and not only_print and hasattr(os, "geteuid") and os.geteuid() != 0:
        raise click.UsageError("services of the system are root's business: try it with sudo, or with --user")


def prepare(folder: Path, invocation: Invocation, name: str, join_token: str | None) -> None:
    """The state folder with what the worker needs to get in. Raises ClickException where it would not."""
    from millrace.agent.client import FarmClient
    from millrace.agent.durable import write_json_durably
    from millrace.agent.errors import StartError
    from millrace.agent.joining import Joining
    from millrace.agent.observe import log_to_stderr
    from millrace.agent.state import StateFolder

    log_to_stderr()
    state, client = StateFolder(folder), FarmClient(invocation.url)
    joining = Joining(state, name, join_token)
    has_one = join_token or invocation.token or joining.has_token(client) or state.credentials(invocation.url)
    if not has_one and _is_closed(invocation):
        raise click.UsageError("the farm is closed: give it a join token (--join; `millrace token --join` makes one)")
    try:
        StateFolder.prepared(folder)
        if join_token is None and invocation.token is not None:
            joining.keep(client, invocation.token)
        joining.token(client, _wait_briefly())
    except StartError as error:
        raise click.ClickException(str(error)) from None
    write_json_durably(folder / ENVIRONMENT, {"environment": definition.carried(os.environ)})


def _wait_briefly(most_seconds: float = 60.0) -> Any:
    import time

    from millrace.agent.errors import StartError

    end = time.monotonic() + most_seconds

    def wait(seconds: float) -> None:
        if time.monotonic() + seconds > end:
            raise StartError("the farm does not answer; nothing was installed", 3)
        time.sleep(seconds)

    return wait


def _is_closed(invocation: Invocation) -> bool:
    from millrace.sdk.errors import FarmError

    try:
        return invocation.farm().info().auth == "token"
    except FarmError:
        return False  # it may come later; the worker waits for it


def _default_state(url: str, name: str, system: bool) -> Path:
    if system:
        return definition.state_folder(name)
    from millrace.agent.state import default_state_root

    return default_state_root(url, name)


def _asked(context: click.Context) -> list[str]:
    """The worker's options as they were given here; what was not given is found out anew at each start."""
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name in FOR_SERVICES:
            words += _words(parameter.opts[0], context.params[name])
    return words


def _words(option: str, value: Any) -> list[str]:
    if value is True:
        return [option]
    if isinstance(value, tuple) and value and isinstance(value[0], Path):
        return [word for one in value for word in (option, str(one.absolute()))]
    if isinstance(value, tuple):
        return [option, ",".join(value)]
    return [option, str(value.absolute() if isinstance(value, Path) else value)]


def show(plan: Plan) -> None:
    for path, content in plan.files:
        click.echo(f"# {path}")
        click.echo(content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"))
    for path in plan.remove:
        click.echo(f"# remove {path}")
    for one in (*plan.first, *plan.commands):
        click.echo(f"# run {definition.shown(one)}")


def carry_out(plan: Plan) -> int:
    for path, content in plan.files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        click.echo(f"wrote {path}")
    for one in plan.first:
        _run(one)
    for path in plan.remove:
        path.unlink(missing_ok=True)
        click.echo(f"removed {path}")
    for one in plan.commands:
        said = _run(one)
        if said is not None:
            click.echo(f"millrace: `{definition.shown(one)}` failed: {said}", err=True)
            if one[:2] == ("systemctl", "--user") and plan.files:
                hint = "what is written stays; log in as this user and do it again, or use --system --as USER"
                click.echo(f"  {hint}", err=True)
            return 1
    if plan.note:
        click.echo(plan.note)
    return 0


def _run(arguments: Sequence[str]) -> str | None:
    """None, or why it failed."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=COMMAND_SECONDS, errors="replace")
    except FileNotFoundError:
        return f"there is no {arguments[0]} here"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"


def _give(folder: Path, account: str) -> None:
    try:
        import pwd  # not on Windows

        uid = pwd.getpwnam(account).pw_uid
    except (ImportError, KeyError):
        raise click.BadParameter(f"there is no user {account!r} on this machine", param_hint="--as") from None
    for _, _, files, opened in os.fwalk(folder):
        # By what was opened: a path may lead elsewhere by now, for the folder may be that user's already.
        os.chown(opened, uid, -1)
        for name in files:
            with suppress(FileNotFoundError):
                os.chown(name, uid, -1, dir_fd=opened, follow_symlinks=False)


def read_environment(path: Path) -> dict[str, str]:
    """What `install` kept for the service; nothing if it is not there."""
    try:
        found = json.loads(path.read_text())["environment"]
        return {name: str(found[name]) for name in definition.CARRIED if name in found}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
