"""A unit of systemd. Pure."""

from __future__ import annotations

import os
from pathlib import Path

from millrace.service.definition import Plan, Service

SYSTEM_UNITS = Path("/etc/systemd/system")
STOP_SECONDS = 90
"""A worker that is stopped lets tasks finish for 20 s, ends them, and delivers what is left."""
RESTART_SECONDS = 15


def unit(service: Service) -> str:
    """An exit code of 0 is the farm's or an operator's wish; 2 a mistake that no restart mends."""
    network = "Wants=network-online.target\nAfter=network-online.target\n" if service.system else ""
    # It moves to a group in its own by itself: DelegateSubgroup= is known since 254 only.
    delegate = "Delegate=memory pids cpu\n" if service.divides else ""
    user = f"User={service.user}\n" if service.system and service.user else ""
    return f"""[Unit]
Description={_plain(f"Millrace worker {service.name} of {service.farm_url}")}
{network}
[Service]
Type=exec
ExecStart={" ".join(_quoted(word) for word in service.command)}
WorkingDirectory={_plain(str(service.state))}
{user}{delegate}Restart=on-failure
RestartSec={RESTART_SECONDS}
RestartPreventExitStatus=2
KillMode=mixed
TimeoutStopSec={STOP_SECONDS}

[Install]
WantedBy={"multi-user.target" if service.system else "default.target"}
"""


def path_of(label: str, *, system: bool) -> Path:
    if system:
        return SYSTEM_UNITS / f"{label}.service"
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "systemd" / "user" / f"{label}.service"


def install(service: Service) -> Plan:
    control = _control(service.system)
    path = path_of(service.label, system=service.system)
    lingering = (("loginctl", "enable-linger"),) if not service.system else ()
    commands = ((*control, "daemon-reload"), (*control, "enable", path.name), (*control, "restart", path.name))
    note = f"its log: journalctl {'' if service.system else '--user '}-u {path.name} -f"
    # Without lingering a user's services begin when the user logs in. Not every system lets users ask for it.
    return Plan(((path, unit(service).encode()),), commands, first=lingering, note=note)


def uninstall(label: str, *, system: bool) -> Plan:
    control, path = _control(system), path_of(label, system=system)
    return Plan((), ((*control, "daemon-reload"),), first=((*control, "disable", "--now", path.name),), remove=(path,))


def _control(system: bool) -> tuple[str, ...]:
    return ("systemctl",) if system else ("systemctl", "--user")


def _plain(text: str) -> str:
    """Percent signs are systemd's own."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """systemd splits at blanks, and looks for variables and specifiers."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$").replace("%", "%%")
    return f'"{escaped}"' if not word or set(" \t'\";\\") & set(word) else escaped
