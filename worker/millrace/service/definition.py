"""What is to be run, and what it takes to have it run: values that each platform's module makes a `Plan` of."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CARRIED = (
    *("PATH", "MILLRACE_BLENDER", "MILLRACE_FFMPEG", "MILLRACE_ON_EC2", "MILLRACE_CA_FILE", "REQUESTS_CA_BUNDLE"),
    *("CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("PIP_CERT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
"""Variables of whoever installs the service that it gets too."""


@dataclass(frozen=True)
class Service:
    """A worker to be run. `user`: as whom, for one of the system (None: as whoever logs in). `divides`: it makes
    control groups for its tasks in its own."""

    name: str
    farm_url: str
    command: tuple[str, ...]
    state: Path
    system: bool
    user: str | None = None
    divides: bool = False

    @property
    def label(self) -> str:
        return label_of(self.name)


def label_of(name: str) -> str:
    """For files and registries: `millrace-worker-node7`."""
    return "millrace-worker-" + (re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.") or "default")


@dataclass(frozen=True)
class Plan:
    """Files to write, then commands to run; `first`: commands of which it does not matter whether they succeed."""

    files: tuple[tuple[Path, bytes], ...]
    commands: tuple[tuple[str, ...], ...]
    first: tuple[tuple[str, ...], ...] = ()
    remove: tuple[Path, ...] = ()
    note: str = ""


def this_machine() -> str:
    return socket.gethostname()


def state_folder(name: str) -> Path:
    """Of a service of the system: where the platform keeps what such services keep."""
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA") or r"C:\ProgramData") / "Millrace" / label_of(name)
    if sys.platform == "darwin":
        return Path("/Library/Application Support/Millrace") / label_of(name)
    return Path("/var/lib/millrace") / label_of(name)


def carried(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in CARRIED if environment.get(name)}


def shown(command: Sequence[str]) -> str:
    """For people: a line that a shell would take."""
    return shlex.join(command)
