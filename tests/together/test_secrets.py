"""Real processes of a closed farm: what is told in confidence stands nowhere that a task or another user can read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests

from millrace import Farm
from tests.together.conftest import Found

SPY = """
import glob, json, os, sys
seen = {"environment": dict(os.environ), "descriptors": [], "command_lines": []}
for fd in os.listdir("/proc/self/fd"):
    try:
        seen["descriptors"].append(os.readlink(f"/proc/self/fd/{fd}"))
    except OSError:
        pass
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        seen["command_lines"].append(open(path, "rb").read().decode("utf-8", "replace"))
    except OSError:
        pass
print(json.dumps(seen))
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
def test_secrets_are_in_no_log_command_line_environment_or_error(found: Found, tmp_path: Path) -> None:
    ensemble = found("--auth", "token")
    admin = ensemble.server.admin_token
    farm = Farm(ensemble.server.url, admin, patience_seconds=20.0)
    token = farm.make_token("room", ["worker"]).text
    ensemble.environment["MILLRACE_TOKEN"] = token
    worker = ensemble.worker("one")
    (tmp_path / "spy.py").write_text(SPY)
    job = farm.submit("function", {"runtime": "python3", "code": farm.upload(tmp_path / "spy.py")})
    ended = farm.wait(job, 90)
    assert ended.status == "completed", ended
    identity = json.loads((worker.state / "identity.json").read_text())
    assert identity["secret"] and (worker.state / "identity.json").stat().st_mode & 0o777 == 0o600

    [output] = farm.download(ended, tmp_path / "out")
    seen = output.read_text()
    secrets = {"admin": admin, "token": token, "secret": identity["secret"]}
    told = {
        "the task's view": seen,
        "the worker's log": worker.output,
        "the task's log": "".join(farm.log(task).text for task in farm.tasks(ended)),
        "refusals": "".join(refusals(ensemble.server.url, secrets)),
    }
    # What the server printed: the first admin token, once, on purpose; and nothing else.
    told["the server's log"] = ensemble.server.output.replace(f"admin token (told only once): {admin}", "")
    for where, text in told.items():
        for name, secret in secrets.items():
            assert secret not in text, f"{name} is in {where}"
    environment = json.loads(seen)["environment"]
    assert not [name for name in environment if re.search("TOKEN|SECRET|FARM|AWS", name)], environment
    paths = [path for path in json.loads(seen)["descriptors"] if str(ensemble.folder) in path]
    assert all("/work/" in path for path in paths), paths
    stored = (ensemble.server.data / "farm.db").read_bytes() + (ensemble.server.data / "farm.db-wal").read_bytes()
    for name, secret in secrets.items():
        assert secret.encode() not in stored, f"{name} is in the table as it is"


def refusals(url: str, secrets: dict[str, str]) -> list[str]:
    """What is answered to calls that show a secret where it does not fit."""
    answers = []
    for secret in secrets.values():
        for path in ("/data/7/blob", "/worker/7/contract", "/api/v1/jobs", "/api/v1/tokens", "/jobs/nothing"):
            for how in ({"headers": {"Authorization": f"Bearer {secret}x"}}, {"auth": ("7", secret)}):
                answer = requests.post(url + path, data=b"{", timeout=20, **how)  # type: ignore[arg-type]
                answers.append(answer.text + str(answer.headers))
    return answers
