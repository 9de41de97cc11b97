"""Upgrade in place: the worker becomes the release that its farm announces, between two tasks.

A worker that may (`--upgrade`) tells with each contract which wheel it was installed from; a farm that serves another
one says which. Then, in this order, so that whatever fails leaves the old release at work:

1. While tasks go on (`_prepare`, a thread of its own): fetch the wheel, compare its SHA-256, install it into a scratch
   folder, with its packages if they are others than ours, and see whether it starts.
2. The agent drains: no more claims, running tasks come to their end.
3. With nothing running (`finish`): pip installs it into our own environment; we look whether it is there, else put back
   what was there, and start anew in any case, by `exec`: as the new release, or as the old one.

Never a loop: the farm announces nothing to a worker that has the wheel, and a wheel that failed is tried `_TRIES`
times, with long pauses, and is then left alone. A try is counted on disk before it begins, so that one that kills us
counts. And no worker goes back within an hour to the release that it came from. Killed within the second or so in which
pip replaces files, the environment may be broken: then install it again (`GET /install`). Workers that share an
environment must not upgrade themselves.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from millrace.agent.client import FarmClient
from millrace.agent.durable import read_json, write_json_durably
from millrace.agent.errors import FarmCallError
from millrace.agent.installed import cannot_upgrade, missing_pins, wheel_sha256
from millrace.agent.observe import WARNING, say
from millrace.agent.protocol import JsonObject, Offer
from millrace.agent.shield import environment_without_secrets

_TRIES = 3
_NOT_BACK_SECONDS = 3600.0
"""A farm of which two processes serve different releases, for a while, does not send us to and fro between them."""
_PAUSES_SECONDS = (600.0, 6 * 3600.0)
_PIP_SECONDS = 900.0
_START_SECONDS = 60.0
LOCK = "requirements.lock"


class UpgradeFailed(Exception):
    """This upgrade did not work; the old release goes on."""


@dataclass(frozen=True)
class Prepared:
    offer: Offer
    folder: Path
    wheel: Path
    lock: Path
    needs_packages: bool


class Upgrader:
    """One run's readiness for upgrades. `drain` of `begin` is called once, when a release is ready to be installed."""

    def __init__(self, client: FarmClient, folder: Path, installed: str) -> None:
        self._client, self._folder, self._installed = client, folder, installed
        self._drain: Callable[[], None] = lambda: None
        self.ready: Prepared | None = None
        self._busy = threading.Lock()
        self._left_alone: set[str] = set()

    @classmethod
    def if_possible(cls, client: FarmClient, folder: Path) -> Upgrader | None:
        """None, and a line in the log, where this worker cannot replace itself."""
        why_not = cannot_upgrade()
        installed = wheel_sha256()
        if why_not is not None or installed is None:
            say("upgrade", f"This worker does not follow the farm's release: {why_not}.", level=WARNING)
            return None
        for left in folder.glob("upgrade-*"):
            shutil.rmtree(left, ignore_errors=True)
        return cls(client, folder, installed)

    def begin(self, drain: Callable[[], None]) -> None:
        """From now on the farm hears which wheel we have."""
        self._drain = drain
        self._client.installed_from(self._installed)

    def hear(self, offer: Offer) -> None:
        """The farm serves another wheel than ours."""
        if self.ready is not None or not self._is_due(offer.sha256) or not self._busy.acquire(blocking=False):
            return
        threading.Thread(target=self._prepare, args=(offer,), name="upgrade", daemon=True).start()

    def finish(self) -> None:
        """Install what is ready, with nothing running any more, and say how it went."""
        prepared = self.ready
        if prepared is None:
            return
        try:
            with _kept_aside(prepared.folder / "before"):
                self._install(prepared)
            came = {"came_from": self._installed, "came_at": time.time()}
            write_json_durably(self._record, {**self._tries(), **came})
            offer = prepared.offer
            say("upgrade", f"Upgraded to release {offer.version}; starting anew.", wheel=offer.sha256[:12])
        except (UpgradeFailed, OSError) as error:
            self._failed(prepared.offer, error)
        finally:
            shutil.rmtree(prepared.folder, ignore_errors=True)

    # -- the parts -----------------------------------------------------------------------------------------------------

    def _prepare(self, offer: Offer) -> None:
        folder: Path | None = None
        try:
            folder = Path(tempfile.mkdtemp(prefix="upgrade-", dir=self._folder))
            self._count(offer.sha256, "it was interrupted")
            say("upgrade", f"The farm serves release {offer.version}; getting it ready.", wheel=offer.sha256[:12])
            self.ready = self._prepared(offer, folder)
            self._drain()
        except (UpgradeFailed, FarmCallError, OSError) as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            self._failed(offer, error)
        finally:
            self._busy.release()

    def _prepared(self, offer: Offer, folder: Path) -> Prepared:
        wheel, lock = folder / offer.file, folder / LOCK
        data = self._client.fetch(f"/install/{offer.file}")
        if hashlib.sha256(data).hexdigest() != offer.sha256:
            raise UpgradeFailed("the wheel that came is not the one that was announced")
        wheel.write_bytes(data)
        lock.write_bytes(self._client.fetch(f"/install/{LOCK}"))
        others = list(missing_pins(lock.read_text()))
        scratch = folder / "scratch"
        if others:
            pip("--target", str(scratch), "--require-hashes", "--requirement", str(lock))
        pip("--target", str(scratch), "--no-deps", "--no-index", str(wheel))
        starts({"PYTHONPATH": str(scratch)})
        shutil.rmtree(scratch, ignore_errors=True)
        return Prepared(offer, folder, wheel, lock, bool(others))

    def _install(self, prepared: Prepared) -> None:
        if prepared.needs_packages:
            pip("--require-hashes", "--requirement", str(prepared.lock))
        pip("--no-deps", "--no-index", "--force-reinstall", str(prepared.wheel))
        starts({})
        asked = "from millrace.agent.installed import wheel_sha256; print(wheel_sha256())"
        if run([sys.executable, "-c", asked], _START_SECONDS).strip() != prepared.offer.sha256:
            raise UpgradeFailed("pip says that it is installed, and it is not there")

    # -- what failed before --------------------------------------------------------------------------------------------

    @property
    def _record(self) -> Path:
        return self._folder / "upgrade.json"

    def _tries(self) -> JsonObject:
        return read_json(self._record) or {}

    def _is_due(self, sha256: str) -> bool:
        if sha256 in self._left_alone:
            return False
        known = self._tries()
        if known.get("came_from") == sha256 and time.time() < float(known.get("came_at", 0.0)) + _NOT_BACK_SECONDS:
            return False
        if known.get("sha256") != sha256:
            return True
        if int(known.get("tries", 0)) >= _TRIES:
            self._left_alone.add(sha256)
            say("upgrade", f"The farm's release is left alone; it failed: {known.get('why')}", level=WARNING)
            return False
        return time.time() >= float(known.get("again_at", 0.0))

    def _count(self, sha256: str, why: str) -> None:
        known = self._tries()
        tries = int(known.get("tries", 0)) + 1 if known.get("sha256") == sha256 else 1
        pause = _PAUSES_SECONDS[min(tries, len(_PAUSES_SECONDS)) - 1]
        tried = {"sha256": sha256, "tries": tries, "again_at": time.time() + pause, "why": why}
        write_json_durably(self._record, {**known, **tried})

    def _failed(self, offer: Offer, error: Exception) -> None:
        say("upgrade", f"Staying with the old release; {offer.version} failed: {error}", level=WARNING)
        with suppress(OSError):  # a full disk may be why it failed
            write_json_durably(self._record, {**self._tries(), "why": str(error)[:1000]})


class _kept_aside:  # noqa: N801 - reads as what it does
    """Our files, put back if what is done in between fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        for source in self._ours():
            shutil.copytree(source, self._folder / source.name, symlinks=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            return
        packages = _packages()
        for there in self._ours():
            shutil.rmtree(there, ignore_errors=True)
        for kept in self._folder.iterdir():
            shutil.copytree(kept, packages / kept.name, symlinks=True, dirs_exist_ok=True)

    def _ours(self) -> Sequence[Path]:
        packages = _packages()
        return [packages / "millrace", *packages.glob("millrace-*.dist-info")]


def _packages() -> Path:
    return Path(__file__).resolve().parents[2]


def pip(*arguments: str) -> None:
    run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments])


def starts(variables: Mapping[str, str]) -> None:
    """Whether the release that Python finds so begins to run; raises UpgradeFailed with what it says."""
    run([sys.executable, "-c", "import millrace.agent.agent, millrace.agent.run"], _START_SECONDS, variables)
    run([sys.executable, "-m", "millrace.cli", "worker", "--help"], _START_SECONDS, variables)


def run(command: Sequence[str], seconds: float = _PIP_SECONDS, variables: Mapping[str, str] | None = None) -> str:
    # Unlike ourselves these may be looked into by every process of this user, tasks included (`shield`).
    environment = {**environment_without_secrets(), **_pip_variables(), **(variables or {})}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=seconds, cwd=sys.prefix
        )
    except subprocess.TimeoutExpired:
        raise UpgradeFailed(f"it took more than {seconds:.0f} s") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise UpgradeFailed("; ".join(lines[-3:]) or f"exit code {done.returncode}")
    return done.stdout


def _pip_variables() -> dict[str, str]:
    """pip believes the authorities that we do, unless it was told otherwise."""
    from millrace.authorities import ADDED, REPLACED_BY, bundle

    told = any(os.environ.get(name) for name in (ADDED, *REPLACED_BY)) and "PIP_CERT" not in os.environ
    return {"PIP_CERT": bundle()} if told else {}


def start_anew() -> int:
    """This process as the program that is installed now, with the command line that it had. Returns only on Windows."""
    command = [sys.executable, *sys.orig_argv[1:]]
    sys.stderr.flush()
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(command[0], command)
