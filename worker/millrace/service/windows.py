"""A scheduled task of Windows that runs from the start (or the user's log-on) on, and is started again when it fails.

Pure. A task rather than a service: a Python program is no service without a wrapper of somebody else's. Not tried on
Windows: what it writes is read back as XML in the tests.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.sax.saxutils import escape

from millrace.service.definition import Plan, Service

FOLDER = "\\Millrace\\"
FOR_ALL = "S-1-5-18"
"""LocalSystem, by the id that it has in every language."""


def task(service: Service) -> str:
    program, *arguments = service.command
    trigger = "BootTrigger" if service.system else "LogonTrigger"
    if service.system:
        account = f"<UserId>{escape(service.user or FOR_ALL)}</UserId>"
    else:
        account = "<LogonType>InteractiveToken</LogonType>"
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{escape(f"Millrace worker {service.name} of {service.farm_url}")}</Description>
  </RegistrationInfo>
  <Triggers><{trigger}><Enabled>true</Enabled></{trigger}></Triggers>
  <Principals><Principal id="Author">{account}</Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(program)}</Command>
      <Arguments>{escape(subprocess.list2cmdline(arguments))}</Arguments>
      <WorkingDirectory>{escape(str(service.state))}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def install(service: Service) -> Plan:
    path, name = service.state / "task.xml", FOLDER + service.label
    commands = (
        ("schtasks", "/Create", "/F", "/TN", name, "/XML", str(path)),
        ("schtasks", "/Run", "/TN", name),
    )
    return Plan(
        ((path, task(service).encode("utf-16")),), commands, note=f"its state: schtasks /Query /V /FO LIST /TN {name}"
    )


def uninstall(label: str, *, system: bool) -> Plan:
    return Plan(
        (),
        (("schtasks", "/Delete", "/F", "/TN", FOLDER + label),),
        first=(("schtasks", "/End", "/TN", FOLDER + label),),
    )


def path_of(label: str, *, system: bool) -> Path:
    return Path(FOLDER + label)
