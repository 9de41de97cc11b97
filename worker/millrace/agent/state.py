"""The state folder: who this worker is and what it still owes the farm, per farm and worker name, locked while it runs.

    identity.json   the worker's id and secret (0600)
    token.json      what it registers with, if it joined by a join token (0600)
    outbox/         reports and logs that the farm has not yet taken
    cache/          blobs by checksum
    work/           one folder per running attempt, and a note of its processes
    lock            held by the running agent; its text says who

A crash leaves the lock free (the system drops it with the process) and the rest to be picked up at the next start.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from millrace.agent.durable import read_json, write_json_durably
from millrace.agent.errors import StartError
from millrace.agent.observe import WARNING, say
from millrace.agent.protocol import Credentials

OTHER = "a second worker needs another --name, and another --state where that is given"


@dataclass(frozen=True)
class StateFolder:
    """The paths of one worker's state."""

    root: Path

    @classmethod
    def prepared(cls, root: Path) -> StateFolder:
        """The folder with all its parts, made if missing, readable by this user only."""
        state = cls(root)
        for part in (root, state.outbox, state.cache, state.work):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        return state

    @property
    def token(self) -> Path:
        return self.root / "token.json"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def credentials(self, farm_url: str) -> Credentials | None:
        """Who we were on this farm at the last start, or None when the worker has yet to register there. Raises
        StartError for a file that others may be able to read: a new worker at each start is no way out."""
        path = self.root / "identity.json"
        found = read_json(path)
        if found is None and path.exists():
            self._check_readable(path)
            text = (
                "Who this worker was cannot be read, so it becomes a new one; `millrace workers forget` ends the old."
            )
            say("register", text, level=WARNING, path=path)
        # The secret of one farm is not for another's ears.
        if not found or found.get("farm") != farm_url:
            return None
        if not isinstance(found.get("id"), str) or not isinstance(found.get("secret"), str):
            return None
        return Credentials(found["id"], found["secret"])

    def _check_readable(self, path: Path) -> None:
        try:
            path.read_bytes()
        except OSError as error:
            text = f"{path} cannot be read ({error.strerror}): start the worker as the user whose it is, or remove it"
            raise StartError(text, 2) from error

    def keep(self, credentials: Credentials, farm_url: str) -> None:
        identity = {"farm": farm_url, "id": credentials.worker_id, "secret": credentials.secret}
        write_json_durably(self.root / "identity.json", identity)

    def next_start(self) -> int:
        """A number for this start, greater than those of all starts before it: also if the folder was put back from a
        copy, since it is no less than the seconds of the day's clock."""
        path = self.root / "start.json"
        before = (read_json(path) or {}).get("start")
        number = max(int(time.time()), before + 1 if isinstance(before, int) else 0)
        write_json_durably(path, {"start": number})
        return number

    def lock(self) -> IO[str]:
        """Hold the folder until the returned file is closed. Raises `StartError` (exit 2) naming the holder."""
        file = open(self.root / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - open is what holds the lock
        if not try_lock(file):
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise StartError(f"the state folder {self.root} is in use by {holder}; {OTHER}", 2)
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()}")
        file.flush()
        return file


def default_state_root(farm_url: str, name: str) -> Path:
    """The user's state folder for this farm and worker name, as the platform has it."""
    return all_state_roots() / "worker" / _slug(farm_url) / _slug(name)


def all_state_roots() -> Path:
    """The folder with the state of all workers of this user that have their default place."""
    return _user_state_folder() / "millrace"


def _user_state_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


def _slug(text: str) -> str:
    """A file name for a farm's URL or a worker's name: `http://farm:8000/` gives `farm-8000`."""
    parts = urlsplit(text)
    plain = (parts.netloc.rpartition("@")[2] + parts.path) if parts.netloc else text
    return re.sub(r"[^A-Za-z0-9_.]+", "-", plain).strip("-.") or "default"


if sys.platform == "win32":
    import msvcrt

    def try_lock(file: IO[str]) -> bool:
        """Take the lock of `file` if it is free."""
        try:
            # Far behind the text, so that others can still read who holds it.
            file.seek(1_000_000)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: IO[str]) -> bool:
        """Take the lock of `file` if it is free; whoever inherits the open file shares it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
