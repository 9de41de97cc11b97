"""The whole farm as one process, or several (`millrace serve`, which is `python -m chalicelib.embedded`).

Prints `ready URL` when it answers. Ends cleanly on SIGTERM: running requests end, waiting ones are woken, whatever was
acknowledged is in the data folder. Killed, it leaves the same; leases go on, and the next start takes up the rest.
"""

from __future__ import annotations

import argparse
import errno
import gc
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ..bootstrap import embedded_farm, feed_of
from ..config import AUTHS, BadSettings, Settings, settings_from
from ..core import access, sweeping
from ..core.farm import Farm
from ..core.ports import TableUnavailable
from ..core.registry import NEW_LANE
from ..core.schema import NewerData
from ..edge import current, log_lines
from ..edge.guard import make_guard
from ..edge.networks import LOOPBACK
from ..handlers import pushing
from ..store.files import FileObjectStore
from ..store.sqlite import SqliteTable
from ..webhooks import delivering
from .bell import LocalBell
from .election import Election
from .server import EmbeddedServer
from .siblings import SharedBell, Siblings, when_alone
from .signals import stop_signal
from .supervisor import MOST_PROCESSES, Supervisor, command_of_this_process
from .timer import Timer

SWEEP_SECONDS = 10.0
"""Sooner where leases are short."""
HOMECOMING_SECONDS = 60.0
"""After a start workers may report what ended while the server was away, before leases do. Their pauses between calls
grow to 30 s at most."""
PUSH_PAUSE_SECONDS = 0.05
"""Between two rounds of pushes: each round itself waits for the bell."""
THOROUGH_EVERY = 30
"""Every so many sweeps look into every task of every open window."""
USAGE, FAILED = 2, 1

log = logging.getLogger("chalicelib.embedded")


def main(arguments: list[str] | None = None) -> int:
    log_lines.set_up("text")
    options = _options(arguments)
    try:
        settings = _settings(options)
        log_lines.set_up(settings.log)
        if options.processes > 1 and options.inherited is None:
            return _supervise(options)
        bell = SharedBell(options.inherited) if options.inherited else LocalBell()
        farm = embedded_farm(settings, bell)
        if isinstance(bell, SharedBell):
            bell.on_heard = lambda topic: farm.registry.forget() if topic == NEW_LANE else None
    except BadSettings as error:
        print(f"millrace serve: {error}", file=sys.stderr)
        return USAGE
    except (OSError, TableUnavailable, NewerData) as error:
        print(f"millrace serve: cannot use the data folder {options.data}: {error}", file=sys.stderr)
        return FAILED
    try:
        return _serve(farm, settings, options)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries once more at its end
        print("millrace serve: whoever read what it says on stdout has gone", file=sys.stderr)
        return FAILED


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="millrace serve", description="Run a whole farm on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: any free port")
    parser.add_argument("--data", type=Path, help="folder for everything the farm keeps")
    parser.add_argument("--auth", choices=AUTHS, help="default: open on a loopback host, else token")
    parser.add_argument("--processes", type=int, default=1, help="how many share the work; at most one for each core")
    parser.add_argument("--inherited", type=Siblings.from_text, help=argparse.SUPPRESS)
    parser.add_argument("--i-know", action="store_true", help="allow --auth open on a host that others can reach")
    return parser.parse_args(arguments)


def _settings(options: argparse.Namespace) -> Settings:
    """What the environment says, and what the command line says instead."""
    given = settings_from({**os.environ, "MILLRACE_TABLE": "", "MILLRACE_BUCKET": ""})
    loopback = _is_loopback(options.host)
    auth = options.auth or os.environ.get("MILLRACE_AUTH") or ("open" if loopback else "token")
    if auth == "open" and not loopback and not options.i_know:
        raise BadSettings(
            f"--auth open on {options.host} lets everybody on that network run programs on your workers; "
            "use --auth token, or add --i-know"
        )
    if not 0 <= options.port <= 65535:
        raise BadSettings(f"--port must be 0 to 65535, not {options.port}")
    if not 1 <= options.processes <= MOST_PROCESSES:
        raise BadSettings(f"--processes must be 1 to {MOST_PROCESSES}, not {options.processes}")
    data = (options.data or given.data).expanduser().absolute()
    unsaid = {"push_networks": "MILLRACE_PUSH_NETWORKS", "hook_networks": "MILLRACE_HOOK_NETWORKS"}
    local = {field: LOOPBACK for field, name in unsaid.items() if loopback and name not in os.environ}
    return replace(given, data=data, auth=auth, delivery="stream", **local)  # type: ignore[arg-type]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _supervise(options: argparse.Namespace) -> int:
    try:
        supervisor = Supervisor(command_of_this_process(), options.processes, options.host, options.port)
    except OSError as error:
        return _cannot_listen(options, error)
    try:
        return supervisor.run(stop_signal())
    except OSError as error:
        print(f"millrace serve: cannot start {options.processes} processes: {error}", file=sys.stderr)
        return FAILED


def _cannot_listen(options: argparse.Namespace, error: OSError) -> int:
    why = error.strerror or error
    if error.errno == errno.EADDRINUSE:
        why = (
            "another program listens there, perhaps a farm that runs already; --port names another, 0 takes a free one"
        )
    print(f"millrace serve: cannot listen on {options.host}:{options.port}: {why}", file=sys.stderr)
    return FAILED


def _serve(farm: Farm, settings: Settings, options: argparse.Namespace) -> int:
    table, bell, objects = farm.table, farm.bell, farm.objects
    assert isinstance(table, SqliteTable) and isinstance(bell, LocalBell) and isinstance(objects, FileObjectStore)
    current.serve(farm, settings)
    from app import app  # the routes; imported here, since `current` must know the farm first

    guard = make_guard(settings.auth, allow_ip_hosts=options.i_know)
    shared: Siblings | None = options.inherited
    server = EmbeddedServer(
        app,
        objects,
        host=options.host,
        port=options.port,
        guard=guard,
        clock=farm.clock,
        on_stop=[bell.close],
        inherited=None if shared is None else socket.socket(fileno=shared.listener),
        together=table.together,
    )
    stop = stop_signal()  # before anybody is told that we are here
    background = _background(farm, settings, stop.is_set)
    if shared is not None:
        when_alone(shared.lifeline, stop.set)
    try:
        gc.freeze()  # what is there by now stays, and needs no looking through while workers wait
        try:
            server.start()
        except OSError as error:
            return _cannot_listen(options, error)
        background.start()
        if shared is None or shared.announces:
            _announce(farm, settings, server.url)
        stop.wait()
        log.info("stopping", extra={"action": "server_stopping"})
    finally:
        stop.set()
        server.stop()
        background.stop()
        table.close()
    return 0


def _background(farm: Farm, settings: Settings, is_stopping: Callable[[], bool]) -> Election:
    """Feed and timer, in one process of those that share the data folder."""
    feed = feed_of(farm)
    rounds = iter(range(sys.maxsize))
    lease_seconds = farm.limits.lease_seconds + farm.limits.grace_seconds
    ends_leases_at = farm.clock.now() + int(min(HOMECOMING_SECONDS, lease_seconds) * 1000)

    def sweep() -> None:
        thorough, late = next(rounds) % THOROUGH_EVERY == 0, farm.clock.now() >= ends_leases_at
        sweeping.sweep(farm, thorough=thorough, ends_leases=late)

    timer = Timer(sweep, min(SWEEP_SECONDS, max(0.5, lease_seconds / 4)))

    pushes = Timer(lambda: pushing.push_when_told(farm, current.pusher()), PUSH_PAUSE_SECONDS)

    def tell() -> None:
        delivering.deliver_all(farm, current.hook_pusher(), settings.farm_name, is_stopping=is_stopping)

    hooks = Timer(tell, delivering.EVERY_SECONDS)

    def begin() -> None:
        feed.start()
        timer.start()
        pushes.start()
        hooks.start()

    def end() -> None:
        feed.stop()
        timer.stop()
        pushes.stop()
        hooks.stop()

    return Election(settings.data / "elected.lock", begin, end)


def _tell_the_way(url: str) -> None:
    """Of "all addresses", which nobody can call, one that others can: the one from which this machine calls others."""
    parts = urlsplit(url)
    if parts.hostname not in ("0.0.0.0", "::"):  # noqa: S104
        return
    family, anywhere = (socket.AF_INET6, "2001:db8::1") if ":" in parts.hostname else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((anywhere, 9))  # looks up the way; nothing is sent
            own = asked.getsockname()[0]
    except OSError:  # no way to anywhere
        return
    log.info(
        "others reach it at http://%s:%s, and become workers as /install there says",
        f"[{own}]" if ":" in own else own,
        parts.port,
        extra={"action": "reachable"},
    )


def _announce(farm: Farm, settings: Settings, url: str) -> None:
    print(f"ready {url}", flush=True)
    _tell_the_way(url)
    if settings.auth == "token" and not (settings.data / "token-told").exists():
        _, token = access.make_token(farm, "first admin", ["admin"])
        print(f"admin token (told only once): {token}", flush=True)
        (settings.data / "token-told").touch()
