"""What tests/conftest.py promises about tests that cannot run here, and about those that take long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SUITE = """
import pytest

@pytest.mark.needs("no-such-program")
def test_marked(): ...

def test_asking(require_program):
    require_program("no-such-program")

@pytest.mark.needs("sh")
def test_that_can_run(): ...

@pytest.mark.full
def test_that_takes_long(): ...

def test_the_shell_is_left_behind():
    import os
    assert "MILLRACE_URL" not in os.environ and os.environ["AWS_ACCESS_KEY_ID"] == "testing"

def test_nothing_is_left_with_the_user():
    import os, pathlib
    from chalicelib.config import settings_from
    from millrace.sdk.digests import default_cache
    for place in (default_cache(), pathlib.Path(os.environ["XDG_STATE_HOME"]), settings_from(os.environ).data):
        assert "/millrace-user-" in str(place) and not place.is_relative_to(pathlib.Path.home())
"""


def outcome(folder: Path, *arguments: str) -> list[str]:
    """The last lines of a run of that suite under this project's conftest."""
    (folder / "test_suite.py").write_text(SUITE)
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MILLRACE_URL": "http://real", "AWS_ACCESS_KEY_ID": "real"}
    environment["TMPDIR"] = str(temporary)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout
    assert list(temporary.glob("millrace-*")) == [], "it goes with the run"
    return done.stdout.splitlines()[-2:]


@pytest.mark.parametrize("processes", [[], ["-n", "2"]])
def test_what_a_missing_program_skips_is_said_last(tmp_path: Path, processes: list[str]) -> None:
    skipped, closing = outcome(tmp_path, *processes)
    assert skipped == "SKIPPED 2 tests: no-such-program is not installed"
    assert closing.startswith("3 passed, 3 skipped")


def test_long_tests_run_when_asked_for(tmp_path: Path) -> None:
    assert outcome(tmp_path, "--full")[-1].startswith("4 passed, 2 skipped")
