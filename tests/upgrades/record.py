"""How `farm_0.1.0.tar.xz` was made: `python record.py OUT`, inside a checkout of the release, with its `worker/` on the
path.

A farm in the middle of its work: a job that is done, one that is half run, one that waits, a large one that has begun,
a function of a Pleiades client, a Flamenco 1 worker with what its room noted of it, a variable. Its server was killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from millrace import Farm

SECONDS = {"MILLRACE_LEASE_SECONDS": "3", "MILLRACE_GRACE_SECONDS": "1"}
CODE = b"print(sum(int(line) for line in open('input')))"


def main(out: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="millrace-record-"))
    server = _started("-m", "chalicelib.embedded", "--port", "0", "--data", str(folder / "farm"))
    assert server.stdout is not None
    url = server.stdout.readline().split()[1]
    worker = _started("-m", "millrace.cli", "worker", "--farm", url, "--name", "old", "--state", str(folder / "state"))
    told = _fill(Farm(url), url)
    for process in (server, worker):
        process.send_signal(signal.SIGKILL)
    (folder / "farm" / "told.json").write_text(json.dumps(told, indent=1))
    with tarfile.open(out, "w:xz") as archive:
        archive.add(folder / "farm", "farm")
        archive.add(folder / "state", "state", filter=lambda member: None if "/cache/" in member.name else member)


def _fill(farm: Farm, url: str) -> dict[str, Any]:
    done = farm.submit("commands", {"tasks": [_task("one"), _task("two", parents=["one"])]}, name="done")
    farm.wait(done, timeout=60)
    code = requests.post(f"{url}/api/v0.5/data", files={"file": ("code.py", CODE)}, timeout=20).json()["id"]
    function = requests.post(f"{url}/api/v0.5/lambda", json={"codex": code, "runtime": "python3"}, timeout=20).json()[
        "id"
    ]
    old_worker = {"hostname": "render1", "port": 5000, "system": "Linux 6"}
    flamenco1 = requests.post(f"{url}/workers", data=old_worker, timeout=20)
    slow = [_task("first"), _task("second", "sleep 60", parents=["first"]), _task("third", parents=["second"])]
    half = farm.submit("commands", {"tasks": slow}, name="half run")
    while {task.name: task.status for task in farm.tasks(half)}["second"] != "active":
        time.sleep(0.1)
    large = farm.submit("frames", {"frames": "1-400", "command": ["true", "{frame}"]}, name="large", priority=90)
    waiting = farm.submit("commands", {"tasks": [_task("last")]}, name="waits")
    farm.pause(waiting)
    return {
        "code": code,
        "function": function,
        "flamenco1": flamenco1.status_code,
        "jobs": {"done": done.id, "half run": half.id, "large": large.id, "waits": waiting.id},
    }


def _task(name: str, line: str = "true", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "task_type": "exec",
        "commands": [{"name": "exec", "settings": {"argv": ["sh", "-c", line]}}],
        **more,
    }


def _started(*command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **SECONDS, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
