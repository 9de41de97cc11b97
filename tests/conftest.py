"""What every test may use, and what every run reports. Nothing here knows the farm.

- `@pytest.mark.needs("ffmpeg")`: skipped where the program is missing; the run's last lines say how many, and of what.
- `require_program("ffmpeg")`: the same, from inside a test or fixture; gives the program's path.
- `@pytest.mark.full`: only with `--full`.
- `free_port()`: a TCP port of 127.0.0.1 that nobody listens on, nor is given by chance (`ports.py`).
- `ministack`: a stand-in for AWS, started once; for tests marked `full`.
- Environment: no MILLRACE_* variable, no AWS account, no proxy for loopback, whatever the shell has; what is kept for a
  user (caches, states of workers) in a folder that goes with the run.
- Hypothesis: no deadline per example (two busy cores); few examples, and the same ones each time, so that a run fails
  for what was changed; many, and new ones each time, with `--full`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import ports
from tests.engines.ministack import ministack  # noqa: F401  a fixture of all tests

MISSING = "missing system program: "

SLOW_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", derandomize=True, max_examples=50, **SLOW_MACHINE)
settings.register_profile("full", max_examples=1000, **SLOW_MACHINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long tests too")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("full" if config.getoption("--full") else "quick")
    leave_the_shell_behind()
    folder = Path(tempfile.mkdtemp(prefix="millrace-user-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    leave_the_user_behind(folder)


def leave_the_user_behind(folder: Path) -> None:
    """What programs keep for a user goes to this folder. Only pip's downloads stay where they are: they are large."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("PIP_CACHE_DIR", str(caches / "pip"))
    for name in ("CACHE", "STATE", "DATA"):
        os.environ[f"XDG_{name}_HOME"] = str(folder / name.lower())


def leave_the_shell_behind() -> None:
    """A test never talks to a real farm or AWS account that the shell happens to point at, nor to a proxy."""
    for name in list(os.environ):
        if name.startswith(("MILLRACE_", "AWS_")):
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        NO_PROXY="127.0.0.1,localhost",
        no_proxy="127.0.0.1,localhost",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="long; runs with --full"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            path_of(program)


def path_of(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(MISSING + program)
    return path


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    return path_of


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return ports.free_port


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The loud part of skipping: one line per missing program, right above pytest's closing line."""
    skipped = Counter(program_missed_by(report) for report in terminalreporter.stats.get("skipped", []))
    del skipped[None]
    for program, count in sorted(skipped.items(), key=str):
        terminalreporter.write_line(
            f"SKIPPED {count} test{'s' if count > 1 else ''}: {program} is not installed", red=True, bold=True
        )


def program_missed_by(report: pytest.TestReport) -> str | None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return reason.partition(MISSING)[2] or None
