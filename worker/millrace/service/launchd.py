"""A job of launchd, on macOS. Pure. Not tried on a Mac: what it writes is read back by `plistlib`."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import Any

from millrace.service.definition import Plan, Service
from millrace.service.systemd import RESTART_SECONDS, STOP_SECONDS

PREFIX = "org.millrace."


def job(service: Service) -> bytes:
    described: dict[str, Any] = {
        "Label": PREFIX + service.label,
        "ProgramArguments": list(service.command),
        "WorkingDirectory": str(service.state),
        "RunAtLoad": True,
        # An exit code of 0 is the farm's or an operator's wish.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": RESTART_SECONDS,
        "ExitTimeOut": STOP_SECONDS,
        # Anything less, and tasks are slowed down as background work.
        "ProcessType": "Interactive",
        "StandardErrorPath": str(service.state / "worker.log"),
        "StandardOutPath": str(service.state / "worker.log"),
    }
    if service.system and service.user:
        described["UserName"] = service.user
    return plistlib.dumps(described)


def path_of(label: str, *, system: bool) -> Path:
    folder = Path("/Library/LaunchDaemons") if system else Path.home() / "Library" / "LaunchAgents"
    return folder / f"{PREFIX}{label}.plist"


def install(service: Service) -> Plan:
    path, domain = path_of(service.label, system=service.system), _domain(service.system)
    out = (("launchctl", "bootout", f"{domain}/{PREFIX}{service.label}"),)
    note = f"its log: {service.state / 'worker.log'}"
    return Plan(((path, job(service)),), (("launchctl", "bootstrap", domain, str(path)),), first=out, note=note)


def uninstall(label: str, *, system: bool) -> Plan:
    out = (("launchctl", "bootout", f"{_domain(system)}/{PREFIX}{label}"),)
    return Plan((), (), first=out, remove=(path_of(label, system=system),))


def _domain(system: bool) -> str:
    return "system" if system or not hasattr(os, "getuid") else f"gui/{os.getuid()}"
