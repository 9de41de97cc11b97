"""A closed farm and workers as real processes: one join token lets one machine in, and it needs no token after that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from millrace import Farm
from tests.together.conftest import Found
from tests.worker.processes import until


def test_a_worker_joins_once_works_and_starts_again_without_a_token(found: Found, tmp_path: Path) -> None:
    ensemble = found("--auth", "token")
    farm = Farm(ensemble.server.url, ensemble.server.admin_token, patience_seconds=20.0)
    join_token = farm.make_join_token().text
    assert join_token is not None
    first = ensemble.worker("one", "--join", join_token)
    job = farm.wait(farm.submit("function", {"runtime": "bash", "code": said(farm, tmp_path, "echo hello")}), 90)
    assert job.status == "completed"
    kept = first.state / "token.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    lasting = json.loads(kept.read_text())["token"]
    assert join_token not in kept.read_text()

    second = ensemble.worker("two", "--join", join_token)
    until(lambda: not second.runs, "the second machine to be refused", 40)
    assert second.process.returncode == 1 and "used by another worker" in second.output
    assert {worker.name for worker in farm.workers()} == {"one"}

    # Started again with the same command line, long used up; it registers anew, with the token that it kept.
    first.terminate()
    (first.state / "identity.json").unlink()
    first.start()
    again = farm.wait(farm.submit("function", {"runtime": "bash", "code": said(farm, tmp_path, "echo again")}), 90)
    assert again.status == "completed"
    first.terminate()
    for secret in (lasting, join_token):
        assert secret not in first.output + second.output + ensemble.server.output


def said(farm: Farm, folder: Path, script: str) -> str:
    (folder / "code").write_text(script)
    return farm.upload(folder / "code")


def test_joining_before_the_first_start_and_registering_under_another_name(found: Found, tmp_path: Path) -> None:
    ensemble = found("--auth", "token")
    farm = Farm(ensemble.server.url, ensemble.server.admin_token, patience_seconds=20.0)
    join_token = farm.make_join_token().text
    state = ensemble.folder / "three-state"
    joined = subprocess.run(
        [sys.executable, "-m", "millrace.cli", "worker", "join", farm.url, "--name", "three", "--state", str(state)],
        env={**ensemble.environment, "MILLRACE_JOIN_TOKEN": str(join_token)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert joined.returncode == 0, joined.stderr
    ensemble.worker("three")
    until(lambda: [worker.name for worker in farm.workers()] == ["three"], "the worker to register", 40)
    lasting = json.loads((state / "token.json").read_text())["token"]
    ensemble.environment["MILLRACE_TOKEN"] = lasting
    four = ensemble.worker("four")
    until(lambda: not four.runs, "a worker under another's token to be refused", 40)
    assert four.process.returncode == 1 and "'three'" in four.output
