"""`millrace doctor`: what is wrong with this machine as a worker, or with its way to the farm.

Each check gives a finding: `ok`, `note` (something is missing that not everybody needs), or `problem`; with what to do.
Nothing is changed, and nothing is registered.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import click

from millrace.cli.options import Invocation, command, json_text, pass_invocation
from millrace.cli.rendering import size
from millrace.farm import Farm
from millrace.sdk.errors import FarmError, NotAllowed

OK, NOTE, PROBLEM = "ok", "note", "problem"
_COLOURS = {OK: "green", NOTE: "yellow", PROBLEM: "red"}
LEAST_FREE_BYTES = 5 * 10**9
MOST_SKEW_SECONDS = 30.0
"""Leases are durations and bear any clock; signed URLs and certificates do not, and logs read strangely."""


@dataclass(frozen=True)
class Finding:
    level: str
    what: str
    text: str
    remedy: str | None = None


@command("doctor")
@pass_invocation
def doctor(invocation: Invocation) -> int:
    """Find what keeps this machine from being a good worker: programs, disk, clock, the farm. Exit code 1: problems."""
    found = list(examine(invocation.farm(), invocation.token))
    if invocation.as_json:
        click.echo(json_text([asdict(one) for one in found]))
    else:
        for one in found:
            click.echo(f"{click.style(f'{one.level:<8}', fg=_COLOURS[one.level])} {one.what}: {one.text}")
            if one.remedy:
                click.echo(f"         {one.remedy}")
    return 1 if any(one.level == PROBLEM for one in found) else 0


def examine(farm: Farm, token: str | None) -> Iterator[Finding]:
    yield _python()
    yield _ffmpeg()
    yield _blender()
    yield from _disk()
    yield from _way(farm.url)
    yield from _farm(farm, token)


def _python() -> Finding:
    return Finding(OK, "python", f"{platform.python_version()} ({sys.executable}), {platform.platform()}")


def _ffmpeg() -> Finding:
    # Here, not above: the other commands start faster without the agent.
    from millrace.agent.errors import CommandFailed
    from millrace.runtimes.ffmpeg import find_ffmpeg

    find_ffmpeg.cache_clear()
    try:
        program = find_ffmpeg()
    except CommandFailed as failure:
        return Finding(PROBLEM, "ffmpeg", str(failure), "Jobs with videos fail on this worker.")
    return _program("ffmpeg", program, lambda said: said.split(" Copyright")[0])


def _blender() -> Finding:
    from millrace.runtimes.blender import find_blender

    program = find_blender()
    if program is None:
        text = "none found, so this worker takes no jobs for Blender"
        return Finding(NOTE, "blender", text, "Install it, or name it in MILLRACE_BLENDER.")
    return _program("blender", program, lambda said: said)


def _program(what: str, program: str, shown: Callable[[str], str]) -> Finding:
    option = "-version" if what == "ffmpeg" else "--version"
    try:
        done = subprocess.run([program, option], capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        remedy = f"Mend it, or name another in MILLRACE_{what.upper()}."
        return Finding(PROBLEM, what, f"{program} cannot be run: {error}", remedy)
    lines = (done.stdout or done.stderr).strip().splitlines()
    if done.returncode != 0 or not lines:
        why = lines[-1] if lines else "it says nothing"
        text = f"{program} ends with exit code {done.returncode}: {why}"
        return Finding(PROBLEM, what, text, "Mend its installation.")
    return Finding(OK, what, f"{shown(lines[0])} ({program})")


def _disk() -> Iterator[Finding]:
    """Where a worker keeps its work folders and its cache."""
    from millrace.agent.state import all_state_roots

    home = all_state_roots()
    folder = next(parent for parent in (home, *home.parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    text = f"{size(free)} free in {home}"
    if free < LEAST_FREE_BYTES:
        yield Finding(PROBLEM, "disk", text, f"Tasks fail when it is full; keep {size(LEAST_FREE_BYTES)} free.")
    else:
        yield Finding(OK, "disk", text)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "A worker keeps its state there; --state names another folder."
        yield Finding(PROBLEM, "state folder", f"{folder} cannot be written: {error.strerror}", remedy)


def _farm(farm: Farm, token: str | None) -> Iterator[Finding]:
    try:
        info, farm_time = farm.info(), farm.time()
    except NotAllowed as refused:
        yield Finding(PROBLEM, "farm", f"{farm.url}: {refused.message}", "Set MILLRACE_TOKEN to a token of this farm.")
        return
    except FarmError as error:
        remedy = "Is the address right (--farm, MILLRACE_URL), and does the farm run?"
        yield Finding(PROBLEM, "farm", error.message, remedy)
        return
    yield Finding(OK, "farm", f"{info.name} {info.version} at {farm.url}")
    if info.auth == "token" and not token:
        yield _joined(farm.url)
    elif info.auth == "token" and not _is_known(farm):
        text = "MILLRACE_TOKEN is no token of this farm: mistyped, revoked, or another farm's"
        yield Finding(PROBLEM, "token", text, "Ask who runs it for another one.")
    if farm_time is not None:
        yield _clock(farm_time)


def _is_known(farm: Farm) -> bool:
    """Whether the farm knows the token, whatever it opens."""
    try:
        next(farm.workers(), None)
    except NotAllowed as refused:
        return refused.status != 401
    return True


def _joined(farm_url: str) -> Finding:
    """Whether a worker of this user has what it registers with."""
    from millrace.agent.durable import read_json
    from millrace.agent.state import default_state_root

    name = socket.gethostname()
    for folder in sorted(default_state_root(farm_url, name).parent.glob("*")):
        if "token" in (read_json(folder / "token.json") or {}) or (folder / "identity.json").exists():
            return Finding(OK, "token", f"the worker {folder.name!r} has joined, and needs none")
    text = "the farm is closed, MILLRACE_TOKEN is not set, and no worker has joined from here"
    remedy = "Ask who runs it for a join token (`millrace token --join`), and give it to `millrace worker --join`."
    return Finding(PROBLEM, "token", text, remedy)


def _way(url: str) -> Iterator[Finding]:
    """The proxy, without its password, and whose certificates are believed."""
    from millrace.agent.connections import proxy_of
    from millrace.authorities import ADDED, BadAuthorities, bundle, check_all

    proxy = proxy_of(url)
    if proxy is not None:
        shown = urlsplit(proxy)._replace(netloc=urlsplit(proxy).netloc.rpartition("@")[2]).geturl()
        yield Finding(OK, "proxy", f"calls to the farm go through {shown}")
    if not url.startswith("https:"):
        return
    try:
        check_all()
    except BadAuthorities as error:
        yield Finding(PROBLEM, "authorities", str(error), "Name a file of certificates in PEM.")
        return
    added = os.environ.get(ADDED)
    named = f"the usual ones, and those of {added}" if added else bundle()
    yield Finding(OK, "authorities", f"certificates are believed that are vouched for by {named}")


def _clock(farm_time: datetime) -> Finding:
    skew = (datetime.now(UTC) - farm_time.astimezone(UTC)).total_seconds()
    text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the farm's"
    if abs(skew) > MOST_SKEW_SECONDS:
        return Finding(PROBLEM, "clock", text, "Let the system set its clock by the network (NTP).")
    return Finding(OK, "clock", "as the farm's, within half a minute")
