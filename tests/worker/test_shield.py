"""The token in the worker's environment is not for tasks, which run as the same user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.agent import shield
from millrace.agent.guard import Guard
from millrace.agent.shield import environment_without_secrets

NOBODY = 65534
LOOK = "import sys; open(f'/proc/{sys.argv[1]}/environ', 'rb').read(); open(f'/proc/{sys.argv[1]}/mem', 'rb')"
HOLD = "import runpy, sys; {}; print('ready', flush=True); sys.stdin.read()"
SHIELD = "assert runpy.run_path(sys.argv[1])['shield_memory']()"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has /proc and prctl")


def ordinary_user() -> dict[str, int]:
    """Root reads everything, so the test lays its rights down if it has any."""
    return {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}


@pytest.mark.parametrize(("preparation", "can_look"), [("pass", True), (SHIELD, False)])
def test_a_process_of_the_same_user_cannot_look_into_a_shielded_one(preparation: str, can_look: bool) -> None:
    module = Path(shield.__file__)
    if os.getuid() == 0 and any(not parent.stat().st_mode & 0o001 for parent in module.parents):
        pytest.skip(f"another user cannot reach {module}")
    holder = subprocess.Popen(
        ["/usr/bin/env", "python3", "-c", HOLD.format(preparation), str(module)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "MILLRACE_TOKEN": "mr_secret"},
        **ordinary_user(),
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
        looked = subprocess.run(
            ["/usr/bin/env", "python3", "-c", LOOK, str(holder.pid)], capture_output=True, **ordinary_user()
        )
        assert (looked.returncode == 0) == can_look, looked.stderr
        assert can_look or b"PermissionError" in looked.stderr
    finally:
        holder.communicate(b"", 30)


def test_the_guard_beside_the_worker_is_not_told_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TOKEN", "mr_secret")
    monkeypatch.setenv("MILLRACE_MASTER_TOKEN", "mr_secret")
    assert "PATH" in environment_without_secrets()
    (tmp_path / "work").mkdir()
    guard = Guard(tmp_path / "work", tmp_path / "guard.lock")
    guard.start()
    try:
        assert guard._process is not None
        assert b"mr_secret" not in Path(f"/proc/{guard._process.pid}/environ").read_bytes()
    finally:
        guard.end()
