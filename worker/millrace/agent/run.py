"""`run_worker`: the way into the agent for the command line. Prepares the state folder, signals and logging, then
runs.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millrace.agent.agent import Agent, Options
from millrace.agent.client import FarmClient
from millrace.agent.errors import StartError
from millrace.agent.isolation import prepared
from millrace.agent.joining import Joining
from millrace.agent.membership import Description
from millrace.agent.notices import NoticeWatch
from millrace.agent.observe import ERROR, log_to_stderr, say
from millrace.agent.shield import shield_memory
from millrace.agent.state import StateFolder, default_state_root
from millrace.authorities import BadAuthorities, check_all
from millrace.runtimes.function import DEFAULT_INTERPRETERS
from millrace.signals import on_each_stop_signal
from millrace.tokens import WRONG, cleaned

if TYPE_CHECKING:
    from millrace.agent.upgrading import Upgrader

DEFAULT_TASK_TYPES = ("sleep", "debug", "file-management", "video-encoding", "transcode", "exec")
DEFAULT_RUNTIMES = ("python3", "bash")


def run_worker(
    farm_url: str,
    *,
    token: str | None = None,
    join_token: str | None = None,
    name: str | None = None,
    slots: int = 1,
    state_dir: Path | str | None = None,
    task_types: Sequence[str] = DEFAULT_TASK_TYPES,
    runtimes: Sequence[str] = DEFAULT_RUNTIMES,
    tags: Sequence[str] = (),
    stop_event: threading.Event | None = None,
    grace_seconds: float = 20.0,
    prefetch: int | None = None,
    interpreters: Mapping[str, Sequence[str]] | None = None,
    apart: Mapping[str, Any] | None = None,
    on_ec2: bool = False,
    pictures: bool = True,
    upgrade: bool = False,
) -> int:
    """Run a worker until it is stopped; returns the process's exit code.

    0 after a clean stop (SIGTERM, SIGINT, `stop_event`, or the farm's wish), 1 when the farm refuses the worker, 2 when
    the state folder is in use or an argument is wrong. An absent farm is waited for. `state_dir` is this worker's own
    folder; by default it lies in the user's state folder, per farm and name. `interpreters` maps a runtime name to a
    command line; names without one are refused. `join_token` is exchanged for a token of the worker's own, which
    further starts find in the folder; `token` registers it otherwise. `apart`: how tasks are kept apart, the keywords
    of `isolation.prepared`. `upgrade`: become the release that the farm announces (`upgrading`). `on_ec2`: listen to
    what the machine's metadata service says of its end. `pictures`: whether the farm is shown what was rendered last.
    """
    shield_memory()
    log_to_stderr()
    name = name or socket.gethostname()
    try:
        if not farm_url.startswith(("http://", "https://")):
            raise StartError(f"the farm's URL must begin with http:// or https://, not {farm_url!r}", 2)
        if token is not None and (token := cleaned(token)) is None:
            raise StartError(WRONG, 2)
        join_token = None if join_token is None else join_token.strip()
        check_all()
        programs = _interpreters(runtimes, interpreters)
        state = StateFolder.prepared(Path(state_dir) if state_dir else default_state_root(farm_url, name))
        with state.lock():
            description = Description(name, task_types, runtimes, tags, slots)
            isolation = prepared(state.root, state.work, **(apart or {}))
            options = Options(
                slots=slots, prefetch=prefetch, grace_seconds=grace_seconds, isolation=isolation, pictures=pictures
            )
            client = FarmClient(farm_url, token)
            upgrader = _upgrader(client, state) if upgrade else None
            on_offer = upgrader.hear if upgrader is not None else None
            agent = Agent(client, state, description, options, programs, join_token, on_offer)
            code = _worked(agent, upgrader, stop_event, on_ec2)
    except (StartError, BadAuthorities, OSError) as error:
        return _told(error, state_dir or default_state_root(farm_url, name))
    if code is not None:
        return code
    from millrace.agent.upgrading import start_anew

    return start_anew()


def _told(error: StartError | BadAuthorities | OSError, folder: Path | str) -> int:
    """Says why there is no worker; the exit code. What the system refuses is a file of `folder`: whatever goes wrong
    between us and the farm is no OSError by the time it comes here."""
    if isinstance(error, OSError):
        what = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
        text = f"the worker cannot use its state folder {folder}: {what}; "
        say("start", f"{text}it needs room and rights there, or another --state", level=ERROR)
        return 1
    say("start", str(error), level=ERROR)
    return error.exit_code if isinstance(error, StartError) else 2


def _worked(agent: Agent, upgrader: Upgrader | None, stop_event: threading.Event | None, on_ec2: bool) -> int | None:
    """The exit code; None: it is to start anew, as the release that is installed now."""
    on_each_stop_signal(agent.stop)  # the first drains, the second ends at once
    _end_with(agent, stop_event)
    if on_ec2:
        NoticeWatch(agent.leave).start()
    if upgrader is not None:
        upgrader.begin(agent.leave_when_idle)
    code = agent.run()
    if upgrader is None or not agent.left_by_itself:
        return code
    upgrader.finish()
    # Whoever asked it to end while pip was at work waits for that.
    return None if agent.left_by_itself else code


def _upgrader(client: FarmClient, state: StateFolder) -> Upgrader | None:
    from millrace.agent.upgrading import Upgrader  # a worker that was not asked to upgrade does without

    return Upgrader.if_possible(client, state.root)


def join_farm(farm_url: str, join_token: str, *, name: str, state_dir: Path | str | None = None) -> int:
    """Exchange the join token, and keep what it gives for the worker of this name; 0, or 1 if the farm refuses it, 2 if
    the worker runs. An absent farm is waited for."""
    log_to_stderr()
    try:
        state = StateFolder.prepared(Path(state_dir) if state_dir else default_state_root(farm_url, name))
        with state.lock():
            Joining(state, name, join_token).token(FarmClient(farm_url), time.sleep)
    except (StartError, OSError) as error:
        return _told(error, state_dir or default_state_root(farm_url, name))
    return 0


def _interpreters(
    runtimes: Sequence[str], configured: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    known = {**DEFAULT_INTERPRETERS, **(configured or {})}
    unknown = [runtime for runtime in runtimes if runtime not in known]
    if unknown:
        raise StartError(
            f"no interpreter is configured for runtime {unknown[0]!r}; known are {', '.join(sorted(known))}", 2
        )
    return {runtime: tuple(known[runtime]) for runtime in runtimes}


def _end_with(agent: Agent, stop_event: threading.Event | None) -> None:
    if stop_event is None:
        return

    def wait() -> None:
        stop_event.wait()
        agent.stop()

    threading.Thread(target=wait, name="stop", daemon=True).start()
