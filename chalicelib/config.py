"""Settings of a manager process, read once from the environment and checked together.

| variable                    | default                           | meaning                                         |
|-----------------------------|-----------------------------------|-------------------------------------------------|
| MILLRACE_TABLE, _BUCKET     | none                              | names on AWS; without them the farm is embedded |
| MILLRACE_QUEUE              | none                              | URL of the queue for slow work on AWS; without  |
|                             |                                   | it every call does its own                      |
| MILLRACE_STAGE              | none                              | the farm's name among the metrics of an account |
| MILLRACE_EDGE_SECRET        | none                              | what CloudFront shows, to be believed about the |
|                             |                                   | viewer's address and name                       |
| MILLRACE_DATA               | the user's data folder            | where an embedded farm keeps everything         |
| MILLRACE_AUTH               | open (embedded), token (AWS)      | who may call: everybody, or holders of a token  |
| MILLRACE_DELIVERY           | inline (embedded), redirect (AWS) | how large downloads leave, see Settings         |
| MILLRACE_LEASE_SECONDS      | 120                               | how long a worker holds a task without renewing |
| MILLRACE_GRACE_SECONDS      | 90                                | how much later the manager lets a lease end     |
| MILLRACE_LOST_AFTER_SECONDS | 90; 360 on AWS                    | a worker silent for so long is shown as lost    |
| MILLRACE_POLL_IDLE_SECONDS  | 5; 30 on AWS                      | how often a worker asks that has nothing to do  |
| MILLRACE_POLL_APART_SECONDS | 0; 1.2 on AWS                     | so much lies between two questions of a quiet   |
|                             |                                   | farm's idle workers (`core/idling.py`)          |
| MILLRACE_POLL_HOLDING_      | 1; 20 on AWS                      | how often one asks whether what it runs is      |
| SECONDS                     |                                   | still wanted (one name)                         |
| MILLRACE_SETTLE_SECONDS     | 5                                 | how long a call works on one job before it      |
|                             |                                   | leaves the rest to the queue                    |
| MILLRACE_WAIT_SECONDS       | 25, at most a quarter of a lease  | the longest long poll                           |
| MILLRACE_PUSH_NETWORKS      | loopback (`serve` there), or none | networks of workers that may be called, comma-  |
|                             |                                   | separated: 10.1.0.0/16,127.0.0.0/8              |
| MILLRACE_HOOK_NETWORKS      | loopback (`serve` there), or none | the same for webhooks; `public` stands for the  |
|                             |                                   | internet without private networks               |
| MILLRACE_MAIL_FROM          | none                              | on AWS: the address from which SES sends what   |
|                             |                                   | webhooks to mailto: addresses are told          |
| MILLRACE_RECORDINGS         | each job's `dst_dir`              | where on shared storage relative names of the   |
|                             |                                   | transcode protocol lie                          |
| MILLRACE_FLAMENCO_          | none                              | what signs the tokens of new Flamenco 2 workers |
| REGISTRATION_SECRET         |                                   | (one name)                                      |
| MILLRACE_LOG                | text                              | json: one object a line, for programs, with a   |
|                             |                                   | line for each request and attempt               |
| MILLRACE_WORKER_WHEEL       | the farm's own release            | a wheel that new workers are given, and running |
|                             |                                   | ones upgrade to                                 |
| MILLRACE_IMAGE_FOLDERS      | none                              | folders on shared storage from which pictures   |
|                             |                                   | that workers name may be shown, `:` between     |
| MILLRACE_FLEET              | none                              | the fleet on EC2 (`fleet_settings.py`)          |
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .core.farm import Limits
from .core.hooks import is_mail_address
from .edge.networks import PUBLIC
from .fleet_settings import FleetSettings, parsed

VERSION = "0.2.0.dev0"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AUTHS = ("open", "token")
LOGS = ("text", "json")
DELIVERIES = ("inline", "stream", "redirect")


class BadSettings(ValueError):
    """A setting is wrong; the message names the variable and what would be right."""


@dataclass(frozen=True)
class Settings:
    """`delivery`: `inline` sends bytes in the answer, `stream` lets the embedded server send the file, `redirect`
    sends up to 4 MB itself and points to the bucket for more (Lambda)."""

    data: Path
    table: str | None = None
    bucket: str | None = None
    queue: str | None = None
    stage: str = ""
    edge_secret: str | None = field(default=None, repr=False)
    """What our own CloudFront distribution shows."""
    auth: str = "open"
    delivery: str = "inline"
    limits: Limits = field(default_factory=Limits)
    push_networks: tuple[Network, ...] = ()
    """Where the farm may call workers of protocols that want that (`edge/push.py`); empty: nowhere."""
    hook_networks: tuple[Network, ...] = ()
    """Where the farm may call webhooks; empty: nowhere."""
    mail_from: str = ""
    """Whose e-mail SES sends; empty: the farm sends none."""
    recordings: str = ""
    """A folder on shared storage, as workers see it."""
    flamenco_registration_secret: str | None = field(default=None, repr=False)
    log: str = "text"
    image_folders: tuple[Path, ...] = ()
    """Absolute; what workers name below them may be shown to everybody who may read."""
    fleet: FleetSettings | None = None

    worker_wheel: Path | None = None
    """What workers are installed from, if not from the farm's own release."""

    def __post_init__(self) -> None:
        if self.auth not in AUTHS:
            raise BadSettings(f"MILLRACE_AUTH must be one of {', '.join(AUTHS)}, not {self.auth!r}")
        if self.log not in LOGS:
            raise BadSettings(f"MILLRACE_LOG must be one of {', '.join(LOGS)}, not {self.log!r}")
        if self.delivery not in DELIVERIES:
            raise BadSettings(f"MILLRACE_DELIVERY must be one of {', '.join(DELIVERIES)}, not {self.delivery!r}")
        if self.worker_wheel is not None and not is_wheel(self.worker_wheel):
            raise BadSettings(f"MILLRACE_WORKER_WHEEL names no wheel of the worker: {self.worker_wheel}")
        if self.mail_from and not is_mail_address(self.mail_from):
            raise BadSettings(f"MILLRACE_MAIL_FROM must be one plain e-mail address, not {self.mail_from!r}")
        if self.mail_from and self.embedded:
            raise BadSettings("MILLRACE_MAIL_FROM is for farms on AWS: SES sends the e-mail; leave it out here")
        if (self.table is None) != (self.bucket is None):
            raise BadSettings("MILLRACE_TABLE and MILLRACE_BUCKET go together: a farm lives on AWS or on one machine")

    @property
    def farm_name(self) -> str:
        """As others are told it."""
        return self.stage or "millrace"

    @property
    def embedded(self) -> bool:
        return self.table is None


def is_wheel(path: Path) -> bool:
    return path.is_file() and path.name.startswith("millrace-") and path.name.endswith("-py3-none-any.whl")


def settings_from(environment: Mapping[str, str]) -> Settings:
    table, bucket = environment.get("MILLRACE_TABLE") or None, environment.get("MILLRACE_BUCKET") or None
    on_aws = table is not None
    return Settings(
        data=Path(environment.get("MILLRACE_DATA") or default_data(environment)).expanduser().absolute(),
        table=table,
        bucket=bucket,
        queue=environment.get("MILLRACE_QUEUE") or None,
        stage=environment.get("MILLRACE_STAGE", ""),
        edge_secret=environment.get("MILLRACE_EDGE_SECRET") or None,
        auth=environment.get("MILLRACE_AUTH") or ("token" if on_aws else "open"),
        delivery=environment.get("MILLRACE_DELIVERY") or ("redirect" if on_aws else "inline"),
        limits=_limits(environment),
        push_networks=push_networks(environment.get("MILLRACE_PUSH_NETWORKS", "")),
        hook_networks=hook_networks(environment.get("MILLRACE_HOOK_NETWORKS", "")),
        mail_from=environment.get("MILLRACE_MAIL_FROM", "").strip(),
        recordings=environment.get("MILLRACE_RECORDINGS", ""),
        worker_wheel=Path(wheel).absolute() if (wheel := environment.get("MILLRACE_WORKER_WHEEL")) else None,
        flamenco_registration_secret=environment.get("MILLRACE_FLAMENCO_REGISTRATION_SECRET", "").strip() or None,
        log=environment.get("MILLRACE_LOG") or "text",
        image_folders=_folders(environment.get("MILLRACE_IMAGE_FOLDERS", "")),
        fleet=_fleet(environment.get("MILLRACE_FLEET", "")),
    )


def default_data(environment: Mapping[str, str]) -> Path:
    """The user's data folder, where other programs of this system keep theirs."""
    if os.name == "nt":
        return Path(environment.get("LOCALAPPDATA") or "~\\AppData\\Local") / "millrace" / "farm"
    return Path(environment.get("XDG_DATA_HOME") or "~/.local/share") / "millrace" / "farm"


_DURATIONS = (
    "lease_seconds",
    "grace_seconds",
    "lost_after_seconds",
    "poll_idle_seconds",
    "poll_apart_seconds",
    "poll_holding_seconds",
    "wait_seconds",
    "settle_seconds",
)
_ON_AWS = Limits(
    poll_idle_seconds=30,
    poll_apart_seconds=1.2,
    poll_holding_seconds=20,
    lost_after_seconds=360,
    contact_every_seconds=120,
    picture_seconds=60,
)
"""Each call is paid for: see docs/cost.md."""


def _limits(environment: Mapping[str, str]) -> Limits:
    given = {
        name: _seconds(f"MILLRACE_{name.upper()}", text)
        for name in _DURATIONS
        if (text := environment.get(f"MILLRACE_{name.upper()}"))
    }
    usual = _ON_AWS if environment.get("MILLRACE_TABLE") else Limits()
    contact_every = given.get("lost_after_seconds", usual.lost_after_seconds) / 3
    if usual is not _ON_AWS:
        contact_every = min(usual.contact_every_seconds, contact_every)
    # A worker counts its lease from before the call that waited for the task: most of it must be left then.
    given.setdefault("wait_seconds", min(Limits.wait_seconds, given.get("lease_seconds", Limits.lease_seconds) / 4))
    try:
        return replace(usual, contact_every_seconds=contact_every, **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise BadSettings(str(error)) from None


def _seconds(variable: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise BadSettings(f"{variable} must be seconds from 0 to 86400, not {text!r}")
    return seconds


def push_networks(text: str, said_by: str = "MILLRACE_PUSH_NETWORKS") -> tuple[Network, ...]:
    """Comma-separated. Raises BadSettings, which names `said_by`."""
    return _networks(text, said_by)


def hook_networks(text: str, said_by: str = "MILLRACE_HOOK_NETWORKS") -> tuple[Network, ...]:
    """The same, with a word for the internet."""
    return _networks(text, said_by, public=PUBLIC)


def _networks(text: str, said_by: str, public: Sequence[Network] = ()) -> tuple[Network, ...]:
    """`public`: what that word stands for; without, it is none."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        plain = tuple(ipaddress.ip_network(part) for part in parts if not (public and part == "public"))
    except ValueError as error:
        word = ", or public" if public else ""
        raise BadSettings(f"{said_by} must be networks such as 10.1.0.0/16,127.0.0.0/8{word}: {error}") from None
    return (*plain, *(public if "public" in parts else ()))


def _folders(text: str) -> tuple[Path, ...]:
    """Separated as in PATH."""
    folders = tuple(Path(part.strip()) for part in text.split(os.pathsep) if part.strip())
    if relative := [folder for folder in folders if not folder.is_absolute()]:
        raise BadSettings(f"MILLRACE_IMAGE_FOLDERS must be absolute folders, not {str(relative[0])!r}")
    return folders


def _fleet(text: str) -> FleetSettings | None:
    try:
        return parsed(text)
    except ValueError as error:
        raise BadSettings(f"MILLRACE_FLEET: {error}") from None
